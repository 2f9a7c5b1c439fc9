"""Training spiking networks by gradient."""

from snnjax.training.activity import ActivityReport, LayerActivity, activity_report
from snnjax.training.eligibility import OTTT, DiagonalRTRL, EProp
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
from snnjax.training.online import (
    OnlineGradient,
    OnlineState,
    OnlineUpdate,
    online_gradient,
    online_update,
)

__all__ = [
    "OTTT",
    "ActivityReport",
    "BernoulliCode",
    "DeltaCode",
    "DiagonalRTRL",
    "DirectCurrent",
    "EProp",
    "EventCode",
    "History",
    "LatencyCode",
    "LayerActivity",
    "OnlineGradient",
    "OnlineState",
    "OnlineUpdate",
    "PoissonCode",
    "PopulationCode",
    "SpikeTimeCode",
    "accuracy",
    "activity_report",
    "evaluate",
    "fit",
    "online_gradient",
    "online_update",
    "rate_cross_entropy",
]
