"""Layers to build networks from; any neuron of the library is a layer too."""

from snnjax.layers.conv import Conv1d, Conv2d
from snnjax.layers.delay import Delay, DelayedLinear, DelayState
from snnjax.layers.dropout import Dropout, DropoutState
from snnjax.layers.flatten import Flatten
from snnjax.layers.graph import Graph, GraphState
from snnjax.layers.initialise import fluctuation_gain, initialise
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
from snnjax.layers.residual import Residual, ResidualState
from snnjax.layers.sequential import Sequential
from snnjax.layers.stateless import AbstractStateless, Stateless
from snnjax.layers.wiring import Concatenate, Previous

__all__ = [
    "PSN",
    "AbstractStateless",
    "AveragePool1d",
    "AveragePool2d",
    "BatchNorm",
    "BatchNormState",
    "Concatenate",
    "Conv1d",
    "Conv2d",
    "Delay",
    "DelayState",
    "DelayedLinear",
    "Dropout",
    "DropoutState",
    "Flatten",
    "Graph",
    "GraphState",
    "LayerNorm",
    "LeakyIntegrator",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "PSNState",
    "Previous",
    "Recurrent",
    "RecurrentState",
    "Residual",
    "ResidualState",
    "Sequential",
    "SlidingPSN",
    "SlidingPSNState",
    "Stateless",
    "SumPool1d",
    "SumPool2d",
    "fluctuation_gain",
    "initialise",
]
