"""Layers to build networks from; any neuron of the library is a layer too.

A neuron takes current in its own unit. Let weights stay near 1, where initialisation and the
step of an optimiser fit, and turn what they sum to into current by a function, here 500 pA for
an input of 1 on top of 400 pA:

    threshold = snn.Threshold(0.0, snn.SuperSpike(beta=0.05))
    net = snn.Sequential(
        snn.Linear(64, 100, key=k1), lambda x: 500 * x + 400, snn.AdEx(threshold=threshold),
        snn.Linear(100, 10, key=k2), snn.LeakyIntegrator(),
    )

`Izhikevich` takes tens of mV/ms, a `LIF` with its default units hundreds of pA, and
`LIF.from_decay` numbers near 1. The surrogate has to be as wide as v is from the threshold: in
mV, a `beta` of 0.02 to 0.1. Where v runs up to a spike ever faster, as in `Izhikevich`,
gradients grow by a factor of hundreds from layer to layer on the way back: limit each layer's
by itself, `optax.clip_by_block_rms`, and take a dt below 1 ms.

Models without reset (`HodgkinHuxley`, `ReducedHodgkinHuxley`, `MorrisLecar`,
`FitzHughNagumo`, `HindmarshRose`, `McKean`) fire where v crosses a level upwards, and that
spike has no gradient. Train their voltage instead: record it in the loss, as
`snn.simulate(net, inputs, dt, record=snn.Trace(lambda state, out: state[1].v))`.
"""

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
