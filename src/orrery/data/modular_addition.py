"""Addition modulo p: all pairs (a, b), as two unit vectors side by side, of which a share is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from orrery.data.api import Arrays, DatasetSettings, Size, Standardise

if TYPE_CHECKING:
    from orrery.numerics.streams import Streams


class Settings(DatasetSettings):
    """Settings of the dataset ``modular-addition``."""

    name: Literal["modular-addition"]
    standardise: Standardise = Field("none", description="as in every dataset; here inputs are 0 and 1")
    modulus: int = Field(23, ge=2, description="p: a and b are 0 to p - 1, and the class is (a + b) mod p")
    share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of the p^2 pairs that is trained on, the same of every class; all others are test samples",
    )

    @model_validator(mode="after")
    def _sensible(self) -> Settings:
        pairs = self.modulus**2
        if not 0 < self.held_out < pairs:
            side = "trained on" if self.held_out else "held out"
            raise ValueError(
                f"share: of {pairs} pairs {self.share:g} leaves none that is {side}; write a number from "
                f"{1 / pairs:.2g} to {1 - 1 / pairs:.2g}"
            )
        return self

    @property
    def held_out(self) -> int:
        """Number of pairs that are not trained on."""
        return self.modulus**2 - round(self.share * self.modulus**2)


def size(settings: Settings) -> Size:
    """What ``load`` will return, known without loading it."""
    pairs, classes = settings.modulus**2, settings.modulus
    train = settings.samples or pairs - settings.held_out
    return Size(train=train, test=settings.held_out, features=2 * classes, classes=classes)


def load(settings: Settings, cache: Path, streams: Streams) -> Arrays:
    """Return every pair once, divided by the stream ``split``; 1 stands in the columns a and p + b."""
    import numpy as np

    from orrery.data.splits import hold_out

    first, second = (one.ravel() for one in np.indices((settings.modulus, settings.modulus)))
    units = np.eye(settings.modulus, dtype=np.float32)
    return hold_out(
        np.concatenate([units[first], units[second]], axis=1),
        (first + second) % settings.modulus,
        settings.held_out,
        settings,
        streams,
        class_names=tuple(str(number) for number in range(settings.modulus)),
        provenance={"source": f"computed: addition modulo {settings.modulus}"},
        obtained_from="computed",
    )
