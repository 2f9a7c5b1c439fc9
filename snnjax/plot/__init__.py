"""Figures: each function draws on `ax=` or a new figure, and returns its axes."""

from snnjax.plot.circuit import circuit
from snnjax.plot.layers import layers, save
from snnjax.plot.membrane import action_potential, membrane
from snnjax.plot.networks import connectivity, histogram
from snnjax.plot.planes import phase_plane
from snnjax.plot.plasticity import receptive_fields, stdp_window
from snnjax.plot.spikes import fi_curve, isi_histogram, raster
from snnjax.plot.style import COLOURS
from snnjax.plot.sweeps import sweep
from snnjax.plot.tables import confusion_matrix, heatmap, learning_curve
from snnjax.plot.traces import spectrum, steady_states, traces

__all__ = [
    "COLOURS",
    "action_potential",
    "circuit",
    "confusion_matrix",
    "connectivity",
    "fi_curve",
    "heatmap",
    "histogram",
    "isi_histogram",
    "layers",
    "learning_curve",
    "membrane",
    "phase_plane",
    "raster",
    "receptive_fields",
    "save",
    "spectrum",
    "stdp_window",
    "steady_states",
    "sweep",
    "traces",
]
