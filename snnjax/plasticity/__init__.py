"""Local learning rules: how weights change by the spikes of both sides."""

from snnjax.plasticity.bounds import AbstractBounds, HardBounds, NoBounds, SoftBounds
from snnjax.plasticity.replay import Replayed, replay
from snnjax.plasticity.resume import MultilayerReSuMe, ReSuMe, hidden_error
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen, Signals
from snnjax.plasticity.stdp import STDP

__all__ = [
    "STDP",
    "AbstractBounds",
    "AbstractRule",
    "HardBounds",
    "MultilayerReSuMe",
    "NoBounds",
    "ReSuMe",
    "Replayed",
    "RuleState",
    "Seen",
    "Signals",
    "SoftBounds",
    "hidden_error",
    "replay",
]
