"""Local learning rules: how weights change by the spikes of both sides."""

from snnjax.plasticity.bounds import AbstractBounds, HardBounds, NoBounds, SoftBounds
from snnjax.plasticity.replay import Replayed, replay
from snnjax.plasticity.rule import AbstractRule, RuleState, Seen, Signals
from snnjax.plasticity.stdp import STDP

__all__ = [
    "STDP",
    "AbstractBounds",
    "AbstractRule",
    "HardBounds",
    "NoBounds",
    "Replayed",
    "RuleState",
    "Seen",
    "Signals",
    "SoftBounds",
    "replay",
]
