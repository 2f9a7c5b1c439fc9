"""A liquid state machine: a random network whose spikes a linear readout understands."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.connect import DistanceDependent, ExponentialDistribution, GaussianKernel, grid
from snnjax.core.checks import as_float
from snnjax.core.recorders import SpikeCount
from snnjax.core.simulate import simulate
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.networks.start import initial_state
from snnjax.neurons import LIF
from snnjax.synapses import Exponential, TsodyksMarkram

# From and to excitatory (exc) and inhibitory (inh) neurons: probability at distance 0, weight
# (pA), delay (ms), and U, recovery and facilitation (ms) of the synapse.
SYNAPSES = {
    ("exc", "exc"): (0.3, 30.0, 1.5, (0.5, 1100.0, 50.0)),
    ("exc", "inh"): (0.2, 60.0, 0.8, (0.05, 125.0, 1200.0)),
    ("inh", "exc"): (0.4, -19.0, 0.8, (0.25, 700.0, 20.0)),
    ("inh", "inh"): (0.1, -19.0, 0.8, (0.32, 144.0, 60.0)),
}


def liquid_state_machine(
    sizes: tuple[int, int, int] = (15, 3, 3), n_inputs: int = 1, *, key: Any
) -> tuple[Network, Float[Array, "inputs n"]]:
    r"""(network, weights of its inputs): the microcircuit of Maass et al. 2002.

        network, w_in = snn.networks.liquid_state_machine(key=jax.random.key(0))
        states = snn.networks.liquid_states(network, w_in, spikes, dt=0.5, window=50.0)
        readout = sklearn.linear_model.LogisticRegression().fit(states[:, -1], labels)

    `LIF` neurons (30 ms, 1 nS for 1 uS, threshold 15, reset 13.5 mV, background 13.5 mV) on a
    grid of `sizes`, a fifth of them, at random, inhibitory. Two neurons are connected with
    probability $C e^{-(d / 2)^2}$. Synapses are exponential currents, 3 and 6 ms, with
    depression and facilitation of the paper's mean parameters; weights are distributed as
    its gamma distribution, whose standard deviation equals the mean: exponentially. An input
    reaches 30 % of the neurons, with 18 pA, or 9 pA if they are inhibitory.

    Maass, Natschlaeger & Markram 2002, Neural Comput. 14:2531.
    """
    k_place, k_network, k_in = jax.random.split(key, 3)
    places = grid(*sizes, extent=jnp.array(sizes, float))
    n, places = len(places), jax.random.permutation(k_place, places)
    parts = dict(exc=n - n // 5, inh=n // 5)
    own = dict(exc=places[: parts["exc"]], inh=places[parts["exc"] :])
    t_ref = jnp.repeat(jnp.array([3.0, 2.0]), jnp.array([*parts.values()]))
    cell = LIF(30.0, 1.0, 13.5, threshold=15.0, v_reset=13.5, t_ref=t_ref)
    cells = Population(
        cell, n, dict(exc_in=Exponential(3.0), inh_in=Exponential(6.0)), parts
    )
    projections = []
    for (a, b), (c, w, delay, (u, recovery, facilitation)) in SYNAPSES.items():
        kernel = GaussianKernel(2**0.5, c)  # exp(-(d / 2)^2)
        wiring = DistanceDependent(kernel, own[a], own[b], autapses=False)
        weight = (1 if w > 0 else -1) * ExponentialDistribution(abs(w))
        release = TsodyksMarkram(u, recovery, facilitation)
        projections.append(
            Projection(a, b, wiring, weight, delay, receptor=f"{a}_in", release=release)
        )
    network = Network(dict(cells=cells), projections, key=k_network)
    reached = jax.random.bernoulli(k_in, 0.3, (n_inputs, n))
    strength = jnp.where(jnp.arange(n) < parts["exc"], 18.0, 9.0)
    return network, reached * strength


def liquid_states(
    network: Network,
    w_in: Float[Array, "inputs n"],
    spikes: Float[ArrayLike, "trials T inputs"],
    *,
    dt: float = 0.5,
    window: float = 50.0,
) -> Float[Array, "trials windows n"]:
    """Spikes of each neuron in each window of time, for each trial: what a readout gets.

    - `spikes`: of the inputs, 0 or 1 in each step. `dt`, `window`: ms.
    """
    arriving = {"cells.exc_in": as_float(spikes) @ w_in}
    start = initial_state(network, {"cells.v": 14.0}, dt=dt)
    record = SpikeCount(every=round(window / dt))
    run = lambda x: simulate(network, x, dt, state=start, record=record).ys
    return jax.jit(jax.vmap(run))(arriving)
