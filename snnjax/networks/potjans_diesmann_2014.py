"""The cortical column of Potjans & Diesmann 2014."""

from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from snnjax import inputs
from snnjax.connect import FixedTotalNumber, FromArrays
from snnjax.core import checks
from snnjax.core.run import RunState
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.networks.start import initial_state
from snnjax.neurons import LIF
from snnjax.synapses import Exponential

LAYERS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
# Table 5: neurons, probabilities [target, source] and inputs from outside.
NEURONS = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
    ]
)
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
# Of the whole column, as in NEST's example Potjans_2014: rates, which a smaller one keeps
# (Hz), and the distribution of v in which it starts without a transient (mV).
RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
V_MEAN = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43])
V_STD = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48])
# Table 4: mV, ms, nS, Hz.
PSP, G, TAU_M, TAU_SYN, G_L, BACKGROUND = 0.15, -4.0, 10.0, 0.5, 25.0, 8.0


class Column(NamedTuple):
    """Numbers of a column that is scaled down."""

    neurons: np.ndarray
    synapses: np.ndarray  # [target, source]
    weight: np.ndarray  # pA, [target, source]; mean
    drive: np.ndarray  # Hz of Poisson spikes
    weight_drive: float  # pA, of these
    current: np.ndarray  # pA

    @classmethod
    def scaled(cls, scale: float, in_degree: float, drive: str) -> "Column":
        """See `potjans_diesmann`."""
        pairs = np.outer(NEURONS, NEURONS)
        synapses = np.log1p(-PROBABILITY) / np.log1p(-1 / pairs)
        unit = PSP / psp_peak()
        weight = unit * np.where(np.arange(8) % 2, G, 1.0) * np.ones((8, 1))
        weight[0, 2] *= 2  # from L4E to L23E
        root = np.sqrt(in_degree)
        # Spikes a second, times weight and time constant, are a mean current.
        mean = 1e-3 * TAU_SYN * (weight * synapses / NEURONS[:, None]) @ RATES
        outside = 1e-3 * TAU_SYN * unit * EXTERNAL * BACKGROUND
        poisson = drive == "poisson"
        return cls(
            np.rint(NEURONS * scale).astype(int),
            np.rint(synapses * scale * in_degree).astype(int),
            weight / root,
            BACKGROUND * np.rint(EXTERNAL * in_degree) * poisson,
            unit / root,
            (1 - root) * (mean + poisson * outside) + (not poisson) * outside,
        )


def potjans_diesmann(
    scale: float = 0.1,
    in_degree: float | None = None,
    *,
    key: Any,
    drive: Literal["poisson", "dc"] = "poisson",
    dt: float = 0.1,
) -> tuple[Network, dict, RunState]:
    r"""(network, inputs, state) of 1 mm2 of early sensory cortex, or of a part of it.

        network, inputs, state = snn.networks.potjans_diesmann(key=jax.random.key(0))
        sol = snn.simulate(network, inputs, 0.1, duration=1000.0, state=state, skip=200.0)
        network.split(spikes)["L4E"]

    Eight parts, an excitatory and an inhibitory one in each of four layers, of `LIF` neurons
    (10 ms, 250 pF, -65, threshold -50 mV, refractory for 2 ms) under exponential currents of
    0.5 ms. Weights are normal, by 10 %, about a PSP of 0.15 mV (0.3 mV from L4E to L23E), -4
    times that for inhibition; delays are normal, 1.5 (0.75) and 0.75 (0.375) ms. The whole
    column has 77,169 neurons and 0.3 x 10^9 synapses, and fires at 0.86, 2.80, 4.45, 5.93,
    7.59, 8.64, 1.09 and 7.88 Hz.

    - `scale`: of the number of neurons. `in_degree`: of the inputs of each, by default as
      much. As the paper has it, weights then grow by $1 / \sqrt{in\_degree}$, which keeps the
      variance of the input, and a current makes up for its mean at the rates of the whole
      column. With 1 each neuron keeps all inputs.
    - `drive`: Poisson spikes at 8 Hz from each of 1500 to 2900 inputs, or their mean current.
    - `dt`: ms, of the run; shorter delays become dt.

    A synapse takes 12 bytes, and 5 more in a run: 51 MB for the 3 million at a tenth of
    neurons and inputs, 510 MB with all inputs.

    Potjans & Diesmann 2014, Cereb. Cortex 24:785, tables 4 and 5; van Albada et al. 2015, PLoS
    Comput. Biol. 11:e1004490 (scaling).
    """
    scale = _share(scale, "potjans_diesmann.scale")
    share = scale if in_degree is None else _share(in_degree, "potjans_diesmann.in_degree")
    checks.one_of(drive, ("poisson", "dc"), "potjans_diesmann.drive")
    column = Column.scaled(scale, share, drive)
    k_wiring, k_values, k_drive, k_start = jax.random.split(key, 4)
    cell = LIF(TAU_M, G_L, -65.0, threshold=-50.0, v_reset=-65.0, t_ref=2.0)
    n = int(column.neurons.sum())
    parts = dict(zip(LAYERS, map(int, column.neurons), strict=True))
    each = lambda x: np.repeat(x, column.neurons)
    # One projection: all cells and receptors are of one kind, and 61 loops compile slowly.
    pre, post, blocks = _wire(column, k_wiring)
    weight, delay = _values(column, blocks, k_values, dt)
    network = Network(
        dict(cells=Population(cell, n, Exponential(TAU_SYN), parts)),
        [Projection("cells", "cells", FromArrays(pre, post), weight, delay)],
    )
    driven: dict[str, Any] = {"cells": inputs.constant(each(column.current))}
    if drive == "poisson":
        spikes = inputs.poisson(each(column.drive), shape=(n,), key=k_drive, counts=True)
        driven["cells.synapse"] = spikes * column.weight_drive
    v = each(V_MEAN) + each(V_STD) * jax.random.normal(k_start, (n,))
    return network, driven, initial_state(network, {"cells.v": v}, dt=dt)


def psp_peak() -> float:
    """How high the PSP of a current of 1 pA is, mV."""
    rise = TAU_M * TAU_SYN / (TAU_M - TAU_SYN)
    t = rise * np.log(TAU_M / TAU_SYN)
    return rise / (TAU_M * G_L) * (np.exp(-t / TAU_M) - np.exp(-t / TAU_SYN))


def _wire(column: Column, key: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pre, post, synapses of each pair of parts), pair after pair."""
    first = np.cumsum(column.neurons) - column.neurons
    pre, post, blocks = [], [], column.synapses.ravel()
    for i, n in enumerate(blocks):
        to, of = divmod(i, 8)
        rule = FixedTotalNumber(int(n))
        sizes = int(column.neurons[of]), int(column.neurons[to])
        edges = rule(*sizes, key=jax.random.fold_in(key, i))
        pre.append(np.asarray(edges.pre) + first[of])
        post.append(np.asarray(edges.post) + first[to])
    return np.concatenate(pre), np.concatenate(post), blocks


def _values(column: Column, blocks: np.ndarray, key: Any, dt: float) -> tuple[Any, Any]:
    """Weights (pA) and delays (ms) of the synapses."""
    k_weight, k_delay = jax.random.split(key)
    draw = lambda key, low: np.asarray(
        jax.random.truncated_normal(key, low, np.inf, (blocks.sum(),))
    )
    mean = np.repeat(column.weight.ravel(), blocks)
    weight = mean * (1 + 0.1 * draw(k_weight, -10.0))  # those beyond would change sign
    inhibitory = np.repeat(np.arange(64) % 2, blocks)
    delay = np.where(inhibitory, 0.75, 1.5)
    delay = delay * (1 + 0.5 * draw(k_delay, -2.0))
    return weight, np.maximum(delay, dt)


def _share(x: float, name: str) -> float:
    if not 0 < x <= 1:
        raise ValueError(f"{name} must be a share, above 0 and at most 1, got {x!r}.")
    return float(x)
