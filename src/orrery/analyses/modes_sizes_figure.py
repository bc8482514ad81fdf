"""Figure of pairs of conditions against the number of training samples: test accuracies, and the gap of the two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from orrery.analyses.api import Figure
from orrery.analyses.modes_sizes import ERRORS, LEAST_GAP, AtSize, separated, standard_error
from orrery.figures import style
from orrery.figures.tick_labels import write_numbers


def draw_sizes(sizes: Sequence[AtSize]) -> Figure:
    """Accuracies above and gaps below, against the size of the training set.

    Args:
        sizes: of :func:`orrery.analyses.modes_sizes.by_size`, two or more.
    """
    figure = style.figure("single", 84)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    samples = np.array([at.samples for at in sizes])
    columns: dict[str, np.ndarray] = {"samples": samples, "seeds": np.array([len(at.gap) for at in sizes])}
    for place, name in enumerate(_names([at.pair for at in sizes])):
        look = style.mark(place)
        mean, error = _over_seeds([at.accuracy[place] for at in sizes])
        upper.errorbar(
            samples,
            mean,
            error,
            color=look.colour,
            linestyle=look.dashes,
            marker=look.marker,
            capsize=2,
            label=name,
        )
        columns |= {f"{name} accuracy": mean, f"{name} standard error": error}
    gap, error = _over_seeds([at.gap for at in sizes])
    columns |= {"gap": gap, "gap standard error": error}
    look = style.mark(2)
    lower.errorbar(
        samples, gap, ERRORS * error, color=look.colour, marker=look.marker, linestyle="-", capsize=2
    )
    for level, dashes in ((0.0, (0, (1, 2))), (LEAST_GAP, (0, (4, 2)))):
        lower.axhline(level, color=style.MUTED, linestyle=dashes, linewidth=style.line(0.7), zorder=1)
    ahead = separated(gap, sizes)
    if ahead.any():
        for ax in (upper, lower):
            ax.axvline(
                samples[ahead.argmax()], color=style.MUTED, linewidth=style.line(0.7), alpha=0.5, zorder=0
            )
    lower.set_xscale("log")
    write_numbers(lower.xaxis)
    lower.set_xlabel("training samples")
    lower.set_ylabel("gap")
    upper.set_ylabel("test accuracy")
    upper.legend()
    caption = (
        "Test accuracy at the last step against the number of training samples, mean over seeds with its standard "
        f"error, and the gap of the two, seed by seed, with {ERRORS:g} standard errors. Dashed: a gap of "
        f"{LEAST_GAP:g}. Vertical line: the critical size, the smallest at which the gap is above that and above "
        f"{ERRORS:g} standard errors; no line where there is none."
    )
    return Figure(
        "sizes", "Accuracy against the size of the training set", caption, figure, pd.DataFrame(columns)
    )


def _over_seeds(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors; the error of a single seed is not drawn."""
    errors = np.array([standard_error(each) for each in values])
    return np.array([each.mean() for each in values]), errors


def _names(pairs: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """What all first and all second conditions have in their names and the others have not, ``tanh`` and ``linear``."""
    words = [[name.replace(",", "-").split("-") for name in names] for names in zip(*pairs, strict=True)]
    shared = [[word for word in each[0] if all(word in other for other in each)] for each in words]
    own = ["-".join(word for word in shared[place] if word not in shared[1 - place]) for place in (0, 1)]
    return (own[0] or "first of the pair", own[1] or "second of the pair")
