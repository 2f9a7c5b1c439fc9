"""Sweeps: functions of parameters at many points, and what is built on them."""

from snnjax.sweeps.call import sweep
from snnjax.sweeps.files import load, save
from snnjax.sweeps.fisher import Fisher
from snnjax.sweeps.fitting import ParameterFit, fit_parameters
from snnjax.sweeps.halving import Halving, successive_halving
from snnjax.sweeps.job import SweepError
from snnjax.sweeps.nudging import nudged
from snnjax.sweeps.points import Points, grid, static, zipped
from snnjax.sweeps.result import Failure, Labelled, SweepResult
from snnjax.sweeps.sampling import latin_hypercube, sobol, uniform
from snnjax.sweeps.variance import SobolIndex, SobolIndices, sobol_indices

__all__ = [
    "Failure",
    "Fisher",
    "Halving",
    "Labelled",
    "ParameterFit",
    "Points",
    "SobolIndex",
    "SobolIndices",
    "SweepError",
    "SweepResult",
    "fit_parameters",
    "grid",
    "latin_hypercube",
    "load",
    "nudged",
    "save",
    "sobol",
    "sobol_indices",
    "static",
    "successive_halving",
    "sweep",
    "uniform",
    "zipped",
]
