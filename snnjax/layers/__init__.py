"""Layers to build networks from; any neuron of the library is a layer too."""

from snnjax.layers.linear import Linear
from snnjax.layers.readout import LeakyIntegrator
from snnjax.layers.recurrent import Recurrent, RecurrentState
from snnjax.layers.sequential import Sequential

__all__ = ["LeakyIntegrator", "Linear", "Recurrent", "RecurrentState", "Sequential"]
