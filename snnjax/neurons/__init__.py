"""Point neurons, one model a file."""

from snnjax.neurons import kinetics
from snnjax.neurons.channels import Channel
from snnjax.neurons.hodgkin_huxley import HodgkinHuxley, HodgkinHuxleyState
from snnjax.neurons.izhikevich import (
    IZHIKEVICH_2003,
    IZHIKEVICH_2004,
    Izhikevich,
    IzhikevichState,
)
from snnjax.neurons.izhikevich_patterns import (
    IZHIKEVICH_PATTERNS,
    IzhikevichPattern,
    izhikevich_pattern,
)
from snnjax.neurons.lif import LIF, LIFState, TutorialEuler

__all__ = [
    "IZHIKEVICH_2003",
    "IZHIKEVICH_2004",
    "IZHIKEVICH_PATTERNS",
    "LIF",
    "Channel",
    "HodgkinHuxley",
    "HodgkinHuxleyState",
    "Izhikevich",
    "IzhikevichPattern",
    "IzhikevichState",
    "LIFState",
    "TutorialEuler",
    "izhikevich_pattern",
    "kinetics",
]
