"""Receptors, which turn arriving spikes into currents, and releases, which weigh spikes."""

from snnjax.synapses.alpha import Alpha
from snnjax.synapses.base import AbstractReceptor, AbstractRelease
from snnjax.synapses.delta import Delta, DeltaState
from snnjax.synapses.dual_exponential import DualExponential, DualExponentialState
from snnjax.synapses.exponential import Exponential, ExponentialState
from snnjax.synapses.graded import Graded, GradedKinetics, GradedKineticsState
from snnjax.synapses.instantaneous import Instantaneous, InstantaneousState
from snnjax.synapses.nmda import NMDA
from snnjax.synapses.tsodyks_markram import TsodyksMarkram, TsodyksMarkramState

__all__ = [
    "NMDA",
    "AbstractReceptor",
    "AbstractRelease",
    "Alpha",
    "Delta",
    "DeltaState",
    "DualExponential",
    "DualExponentialState",
    "Exponential",
    "ExponentialState",
    "Graded",
    "GradedKinetics",
    "GradedKineticsState",
    "Instantaneous",
    "InstantaneousState",
    "TsodyksMarkram",
    "TsodyksMarkramState",
]
