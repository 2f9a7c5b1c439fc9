"""One look for all figures: colours, axes, labels."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from snnjax.core.checks import is_traced

# Okabe & Ito 2008: distinguishable also to colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SEQUENTIAL = "cividis"
LINES = "viridis"  # by value: the grey in the middle of cividis is too weak for a line

# What a field of a state is called on an axis.
LABELS = {
    "v": "$v$ (mV)",
    "current": "current",
    "time": "time (ms)",
    "rate": "rate (Hz)",
}


def colour(i: int) -> str:
    """The i-th colour, from the start again after the last."""
    return COLOURS[i % len(COLOURS)]


def one(ax: Axes | None, size: tuple[float, float] = (6.0, 3.4)) -> Axes:
    """`ax`, or the axes of a new figure."""
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return tidy(ax)


def stacked(ax: Any, n: int, heights: Any = None, size: tuple[float, float] | None = None):
    """`n` axes one above the other with a common time axis: those given, or a new figure's."""
    if ax is None:
        size = (6.0, 1.2 + 1.5 * n) if size is None else size
        _, ax = plt.subplots(
            n, sharex=True, squeeze=False, figsize=size, layout="constrained",
            gridspec_kw={"height_ratios": heights},
        )  # fmt: skip
    return panels(ax, n)


def panels(ax: Any, n: int) -> np.ndarray:
    """The `n` axes that `ax` holds."""
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != n:
        raise ValueError(f"ax= must hold {n} axes for these {n} panels, got {len(axes)}.")
    return np.array([tidy(a) for a in axes], dtype=object)


def tidy(ax: Axes) -> Axes:
    """Without the lines that enclose nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def legend(ax: Axes, **kwargs: Any) -> None:
    """A legend without a frame, if there is anything to explain."""
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        ax.legend(**{"frameon": False, "fontsize": "small", **kwargs})


def array(x: Any) -> np.ndarray:
    """`x` on the host."""
    if is_traced(x):
        raise ValueError("Figures need concrete values: plot outside jit, vmap and grad.")
    return np.asarray(x)
