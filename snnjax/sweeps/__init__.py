"""Sweeps: functions of parameters at many points, and what is built on them."""

from snnjax.sweeps.call import sweep
from snnjax.sweeps.files import load, save
from snnjax.sweeps.job import SweepError
from snnjax.sweeps.points import Points, grid, static, zipped
from snnjax.sweeps.result import Failure, Labelled, SweepResult
from snnjax.sweeps.sampling import latin_hypercube, sobol, uniform

__all__ = [
    "Failure",
    "Labelled",
    "Points",
    "SweepError",
    "SweepResult",
    "grid",
    "latin_hypercube",
    "load",
    "save",
    "sobol",
    "static",
    "sweep",
    "uniform",
    "zipped",
]
