"""Figures: each function draws on `ax=` or a new figure, and returns its axes."""

from snnjax.plot.spikes import fi_curve, isi_histogram, raster
from snnjax.plot.style import COLOURS
from snnjax.plot.tables import confusion_matrix, heatmap, learning_curve
from snnjax.plot.traces import spectrum, steady_states, traces

__all__ = [
    "COLOURS",
    "confusion_matrix",
    "fi_curve",
    "heatmap",
    "isi_histogram",
    "learning_curve",
    "raster",
    "spectrum",
    "steady_states",
    "traces",
]
