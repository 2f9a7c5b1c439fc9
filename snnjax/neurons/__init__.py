"""Point neurons, one model a file."""

from snnjax.neurons import kinetics
from snnjax.neurons.channels import Channel
from snnjax.neurons.hodgkin_huxley import HodgkinHuxley, HodgkinHuxleyState
from snnjax.neurons.lif import LIF, LIFState, TutorialEuler

__all__ = [
    "LIF",
    "Channel",
    "HodgkinHuxley",
    "HodgkinHuxleyState",
    "LIFState",
    "TutorialEuler",
    "kinetics",
]
