"""Training spiking networks by gradient."""

from snnjax.training.encode import (
    BernoulliCode,
    DirectCurrent,
    LatencyCode,
    PoissonCode,
    SpikeTimeCode,
)
from snnjax.training.encode_events import EventCode
from snnjax.training.encode_series import DeltaCode
from snnjax.training.encode_values import PopulationCode
from snnjax.training.fit import History, evaluate, fit
from snnjax.training.losses import accuracy, rate_cross_entropy

__all__ = [
    "BernoulliCode",
    "DeltaCode",
    "DirectCurrent",
    "EventCode",
    "History",
    "LatencyCode",
    "PoissonCode",
    "PopulationCode",
    "SpikeTimeCode",
    "accuracy",
    "evaluate",
    "fit",
    "rate_cross_entropy",
]
