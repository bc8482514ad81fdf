"""Settings of a study's figures."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from orrery.config.closed import Closed
from orrery.config.palette import DEFAULT, OKABE_ITO, hexadecimal
from orrery.config.texts import Form

Colour = Annotated[
    str,
    Form(
        f"^({'|'.join(OKABE_ITO)}|#[0-9a-fA-F]{{6}})$",
        f"a colour; allowed are {', '.join(OKABE_ITO)}, and '#rrggbb' in quotes",
    ),
]


class Figures(Closed):
    """How the figures of a study look; a change draws them again and makes nothing else anew but the report."""

    font_size: float = Field(
        7.5,
        ge=5,
        le=12,
        description="size of the text in points; titles, ticks and legends keep their ratio to it",
    )
    line_width: float = Field(
        1.2,
        gt=0,
        le=6,
        description="width of curves in points; thinner and thicker ones keep their ratio to it",
    )
    palette: tuple[Colour, ...] = Field(
        DEFAULT,
        min_length=3,
        description=f"colours of the series in order, by name ({', '.join(OKABE_ITO)}) or as '#rrggbb'; at least "
        "one for every condition, and with six they repeat with other markers",
    )
    png: int | None = Field(
        None,
        ge=50,
        le=1200,
        description="dots per inch of a PNG beside the SVG and the PDF of every figure; no PNG where absent",
    )

    @field_validator("palette", mode="before")
    @classmethod
    def _in_quotes(cls, colours: Any) -> Any:
        if isinstance(colours, list) and None in colours:
            raise ValueError(
                f"item {colours.index(None)} is empty; write '#rrggbb' in quotes, # begins a comment"
            )
        return colours

    @field_validator("palette")
    @classmethod
    def _each_once(cls, colours: tuple[str, ...]) -> tuple[str, ...]:
        lower = tuple(colour.lower() for colour in colours)
        seen: dict[str, str] = {}
        for colour in lower:
            meant = hexadecimal(colour)
            if meant in seen:
                raise ValueError(
                    f"'{seen[meant]}' and '{colour}' are one colour; series of one colour cannot be told apart"
                )
            seen[meant] = colour
        return lower
