"""Training spiking networks by gradient."""

from snnjax.training.encode import BernoulliCode, LatencyCode
from snnjax.training.fit import History, evaluate, fit
from snnjax.training.losses import accuracy, rate_cross_entropy

__all__ = [
    "BernoulliCode",
    "History",
    "LatencyCode",
    "accuracy",
    "evaluate",
    "fit",
    "rate_cross_entropy",
]
