"""Point neurons, one model a file."""

from snnjax.neurons.lif import LIF, LIFState, TutorialEuler

__all__ = ["LIF", "LIFState", "TutorialEuler"]
