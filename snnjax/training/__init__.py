"""Training spiking networks by gradient."""

from snnjax.training.activity import ActivityReport, LayerActivity, activity_report
from snnjax.training.cost import (
    Energy,
    LayerOperations,
    SynapticOperations,
    synaptic_operations,
)
from snnjax.training.decode import first_spike, last_step, max_over_time, mean_over_time
from snnjax.training.eligibility import DiagonalRTRL
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
from snnjax.training.eprop import EProp
from snnjax.training.evaluate import Evaluation, evaluate
from snnjax.training.fit import fit
from snnjax.training.gradient_report import Agreement, GradientReport, LeafGradient
from snnjax.training.gradients import check_gradients
from snnjax.training.history import Epoch, History
from snnjax.training.losses import (
    accuracy,
    first_spike_cross_entropy,
    last_step_cross_entropy,
    max_cross_entropy,
    per_step_cross_entropy,
    rate_cross_entropy,
    spike_count_mse,
)
from snnjax.training.online import (
    OnlineGradient,
    OnlineState,
    OnlineUpdate,
    online_gradient,
    online_update,
)
from snnjax.training.ottt import OTTT
from snnjax.training.regularise import LowerActivity, UpperActivity, spiking_layers
from snnjax.training.spike_train_losses import spike_train_mse, van_rossum_loss
from snnjax.training.stream import StreamHistory, fit_stream
from snnjax.training.trials import Trials, learn_trials

__all__ = [
    "OTTT",
    "ActivityReport",
    "Agreement",
    "BernoulliCode",
    "DeltaCode",
    "DiagonalRTRL",
    "DirectCurrent",
    "EProp",
    "Energy",
    "Epoch",
    "Evaluation",
    "EventCode",
    "GradientReport",
    "History",
    "LatencyCode",
    "LayerActivity",
    "LayerOperations",
    "LeafGradient",
    "LowerActivity",
    "OnlineGradient",
    "OnlineState",
    "OnlineUpdate",
    "PoissonCode",
    "PopulationCode",
    "SpikeTimeCode",
    "StreamHistory",
    "SynapticOperations",
    "Trials",
    "UpperActivity",
    "accuracy",
    "activity_report",
    "check_gradients",
    "evaluate",
    "first_spike",
    "first_spike_cross_entropy",
    "fit",
    "fit_stream",
    "last_step",
    "last_step_cross_entropy",
    "learn_trials",
    "max_cross_entropy",
    "max_over_time",
    "mean_over_time",
    "online_gradient",
    "online_update",
    "per_step_cross_entropy",
    "rate_cross_entropy",
    "spike_count_mse",
    "spike_train_mse",
    "spiking_layers",
    "synaptic_operations",
    "van_rossum_loss",
]
