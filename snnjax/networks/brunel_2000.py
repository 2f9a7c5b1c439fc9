"""The sparse random network of Brunel 2000."""

import math
from typing import Any

import jax
import numpy as np

from snnjax import inputs
from snnjax.connect import FixedInDegree
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.neurons import LIF
from snnjax.synapses import Alpha, Delta

TAU_M, THETA, TAU_SYN = 20.0, 20.0, 0.5  # ms, mV, ms


def brunel(
    g: float = 5.0,
    eta: float = 2.0,
    *,
    key: Any,
    n: int = 12_500,
    in_degree: int = 1250,
    weight: float = 0.1,
    alpha: bool = False,
    delay: float = 1.5,
    t_ref: float = 2.0,
) -> tuple[Network, dict, None]:
    r"""(network, inputs, None) of the paper's model A; it starts at v = 0.

        network, inputs, state = snn.networks.brunel(key=jax.random.key(0))
        sol = snn.simulate(network, inputs, 0.1, duration=1000.0, state=state)

    `LIF` neurons, four fifths of them excitatory (part "exc", the others "inh"), tau_m 20 ms,
    threshold 20, reset 10 mV, refractory for `t_ref` (ms). Each has `in_degree` inputs, four
    fifths excitatory, which raise v by `weight` (mV) after `delay` (ms); inhibitory ones lower
    it by `g` times that. External spikes come at `eta` times the rate whose mean drive reaches
    threshold, as Poisson processes that are independent.

    | regime | g | eta |
    | --- | --- | --- |
    | SR: synchronous, regular | 3 | 2 |
    | AI: asynchronous, irregular | 5 | 2 |
    | SI, fast oscillation | 6 | 4 |
    | SI, slow oscillation | 4.5 | 0.9 |

    - `alpha`: PSPs of currents with the form of an alpha function, 0.5 ms, whose peak is
      `weight`, in place of jumps of v.

    Brunel 2000, J. Comput. Neurosci. 8:183.
    """
    k_network, k_drive = jax.random.split(key)
    n_exc, c_exc = n * 4 // 5, in_degree * 4 // 5
    # A leak of 1 nS: pA of current are the mV they settle at.
    cell = LIF(TAU_M, 1.0, 0.0, threshold=THETA, v_reset=10.0, t_ref=t_ref)
    receptor = Alpha(TAU_SYN) if alpha else Delta()
    j = weight / alpha_peak() if alpha else weight
    area = j * math.e * TAU_SYN if alpha else j * TAU_M  # mV ms: of one spike, on the mean
    cells = Population(cell, n, receptor, dict(exc=n_exc, inh=n - n_exc))
    projections = [
        Projection("exc", "cells", FixedInDegree(c_exc), j, delay),
        Projection("inh", "cells", FixedInDegree(in_degree - c_exc), -g * j, delay),
    ]
    rate = eta * 1e3 * THETA / area  # Hz, of all external spikes
    drive = inputs.poisson(rate, shape=(n,), key=k_drive, counts=True) * j
    network = Network(dict(cells=cells), projections, key=k_network)
    return network, {"cells.synapse": drive}, None


def alpha_peak(tau_m: float = TAU_M, tau_syn: float = TAU_SYN) -> float:
    r"""How high a PSP gets for an alpha current of weight 1, over the leak conductance."""
    t = np.linspace(0, 20 * tau_syn, 100_001)
    k = 1 / tau_syn - 1 / tau_m
    psp = np.exp(-t / tau_m) - np.exp(-t / tau_syn) * (1 + k * t)
    return float(math.e / (tau_syn * tau_m * k**2) * psp.max())
