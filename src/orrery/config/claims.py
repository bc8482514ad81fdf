"""Claims of a paper, as checks on numbers that analyses publish."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from orrery.config.closed import Closed
from orrery.config.texts import Form

Scale = Literal["laptop", "paper"]
KnownFrom = Literal[
    "full text", "released code", "released results", "abstract", "second-hand", "own calculation"
]
NumberName = Annotated[str, Form(r"^[A-Za-z][A-Za-z0-9_-]*\..+$", "of the form <analysis>.<number>")]


class Reference(Closed):
    """A number that another number is compared with."""

    number: NumberName = Field(description="<analysis>.<number>")
    times: float = Field(1.0, description="factor in front of it")


Bound = float | Reference


def _reference(value: Any) -> Any:
    return {"number": value} if isinstance(value, str) else value


class Check(Closed):
    """One number and at most one criterion; a number without a criterion is reported only."""

    number: NumberName = Field(description="the number that is checked: <analysis>.<number>")
    label: str | None = Field(None, description="what a reader calls it")
    reported: float | None = Field(None, description="the value that the paper reports")
    minimum_n: int | None = Field(None, ge=1, description="with fewer units (seeds) the verdict is undecided")
    decide: Literal["interval", "value"] = Field(
        "interval", description="interval: the whole interval must lie on one side, where there is one"
    )
    of: Annotated[
        Reference | None, BeforeValidator(_reference, json_schema_input_type=str | Reference | None)
    ] = Field(
        None, description="a number that within and within_factor refer to instead of the reported value"
    )
    within: float | None = Field(
        None, gt=0, description="holds if it lies at most this far from the reported value"
    )
    within_factor: float | None = Field(
        None,
        gt=1,
        description="holds if it is at most this many times larger or smaller than the reported value",
    )
    above: Bound | None = Field(None, description="holds if it is larger than this")
    below: Bound | None = Field(None, description="holds if it is smaller than this")
    between: tuple[Bound, Bound] | None = Field(None, description="holds if it lies between these two")

    @model_validator(mode="after")
    def _one_criterion(self) -> Self:
        given = [
            name
            for name in ("within", "within_factor", "above", "below", "between")
            if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(f"has several criteria ({', '.join(given)}); keep one, and write further checks")
        relative = given and given[0].startswith("within")
        if relative and self.reported is None and self.of is None:
            raise ValueError(f"{given[0]} needs the value that it refers to; add reported or of")
        if self.of is not None and not relative:
            raise ValueError("of is the value that within or within_factor refer to; add one of these")
        return self

    @property
    def numbers(self) -> tuple[str, ...]:
        """All numbers that the check names, its own first."""
        bounds = (self.of, self.above, self.below, *(self.between or ()))
        return (self.number, *(bound.number for bound in bounds if isinstance(bound, Reference)))


class Claim(Closed):
    """A statement of a paper, where it was made, how we know it, and the checks it stands or falls with."""

    statement: str = Field(min_length=1, description="the claim in one sentence")
    source: str = Field(min_length=1, description="where the paper makes it: section, figure, table")
    known_from: KnownFrom = Field(description="how we know what the paper says")
    scales: tuple[Scale, ...] = Field(
        ("laptop", "paper"), min_length=1, description="scales at which it can be decided"
    )
    checks: tuple[Check, ...] = Field(min_length=1, description="all must hold")
