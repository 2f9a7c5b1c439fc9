"""Analysis of models: firing against current, phase planes, sensitivities, mean fields."""

from snnjax.analysis.firing import FICurve, fi_curve, firing_rate, rheobase
from snnjax.analysis.mean_field import self_consistent_rates
from snnjax.analysis.phase_plane import (
    FixedPoint,
    PhasePlane,
    classify,
    fixed_points,
    nullclines,
    phase_plane,
)
from snnjax.analysis.sensitivity import Sensitivities, Sensitivity, sensitivities

__all__ = [
    "FICurve",
    "FixedPoint",
    "PhasePlane",
    "Sensitivities",
    "Sensitivity",
    "classify",
    "fi_curve",
    "firing_rate",
    "fixed_points",
    "nullclines",
    "phase_plane",
    "rheobase",
    "self_consistent_rates",
    "sensitivities",
]
