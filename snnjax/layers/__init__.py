"""Layers to build networks from; any neuron of the library is a layer too."""

from snnjax.layers.conv import Conv1d, Conv2d
from snnjax.layers.dropout import Dropout, DropoutState
from snnjax.layers.flatten import Flatten
from snnjax.layers.linear import Linear
from snnjax.layers.normalisation import BatchNorm, BatchNormState, LayerNorm
from snnjax.layers.parallel import PSN, PSNState, SlidingPSN, SlidingPSNState
from snnjax.layers.pooling import (
    AveragePool1d,
    AveragePool2d,
    MaxPool1d,
    MaxPool2d,
    SumPool1d,
    SumPool2d,
)
from snnjax.layers.readout import LeakyIntegrator
from snnjax.layers.recurrent import Recurrent, RecurrentState
from snnjax.layers.sequential import Sequential
from snnjax.layers.stateless import AbstractStateless, Stateless

__all__ = [
    "PSN",
    "AbstractStateless",
    "AveragePool1d",
    "AveragePool2d",
    "BatchNorm",
    "BatchNormState",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "DropoutState",
    "Flatten",
    "LayerNorm",
    "LeakyIntegrator",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "PSNState",
    "Recurrent",
    "RecurrentState",
    "Sequential",
    "SlidingPSN",
    "SlidingPSNState",
    "Stateless",
    "SumPool1d",
    "SumPool2d",
]
