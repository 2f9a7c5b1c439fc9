"""Receptors, which turn arriving spikes into currents, and releases, which weigh spikes."""

from snnjax.synapses.base import AbstractReceptor, AbstractRelease
from snnjax.synapses.delta import Delta, DeltaState
from snnjax.synapses.exponential import Exponential, ExponentialState

__all__ = [
    "AbstractReceptor",
    "AbstractRelease",
    "Delta",
    "DeltaState",
    "Exponential",
    "ExponentialState",
]
