"""The trace of a matrix that is known by its products only (Hutchinson's estimator)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float

from orrery.config.errors import OrreryError
from orrery.numerics.streams import Streams


def rademacher(seeds: Sequence[int], probes: int, size: int) -> Float[torch.Tensor, "run probe component"]:
    """Signs +1 and -1, independent, from the stream ``probe`` of each seed: runs of one seed share them."""
    drawn = {
        seed: Streams().generator("probe", seed, "trace", (probes, size)).integers(0, 2, (probes, size))
        for seed in dict.fromkeys(seeds)
    }
    return torch.from_numpy(np.stack([drawn[seed] for seed in seeds]) * 2.0 - 1.0)


def estimate_trace(
    apply: Callable[[Float[torch.Tensor, "run probe component"]], Float[torch.Tensor, "run probe component"]],
    probes: Float[torch.Tensor, "run probe component"],
) -> tuple[Float[torch.Tensor, " run"], Float[torch.Tensor, " run"]]:
    """Trace of one symmetric matrix per run, and its standard error over the probes.

    The mean of ``z A z`` over random signs z; unbiased, with variance ``2 sum_{i != j} A_ij^2`` for one probe
    (Hutchinson, Commun. Stat. Simul. 19, 433 (1990)).

    Args:
        apply: multiplies each matrix with several vectors.
        probes: from :func:`rademacher`.

    Raises:
        OrreryError: fewer than two probes, which have no standard error.
    """
    count = probes.shape[1]
    if count < 2:
        raise OrreryError(f"a trace with a standard error needs at least 2 probes, not {count}")
    forms = (probes * apply(probes)).sum(dim=2)
    return forms.mean(dim=1), forms.std(dim=1, correction=1) / count**0.5
