"""A dataset of one's own; its settings leave out the name, which chose the module."""

from __future__ import annotations

from orrery.config.closed import Closed


class Settings(Closed):
    """Number of samples."""

    samples: int = 100
