"""The neuron whose synapses compete, of Song, Miller & Abbott 2000."""

from typing import Any

import jax

from snnjax import inputs
from snnjax.connect import AllToAll, Uniform
from snnjax.core.run import RunState
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.networks.start import initial_state
from snnjax.neurons import LIF
from snnjax.plasticity import STDP, AbstractRule, HardBounds
from snnjax.synapses import Exponential

G_MAX = 0.01  # in parts of the leak conductance


def song_abbott(
    n: int = 1000,
    *,
    key: Any,
    n_cells: int = 1,
    rate_hz: Any = 15.0,
    learning: AbstractRule | None = None,
    dt: float = 0.1,
) -> tuple[Network, dict, RunState]:
    r"""(network, {}, state): `n` Poisson inputs learn to drive a neuron.

        network, inputs, state = snn.networks.song_abbott(key=jax.random.key(0))
        sol = snn.simulate(network, inputs, 0.1, duration=1e5, state=state, record=...)
        weights = sol.final.learned["inputs->cells"].weight / 0.01

    $$\tau_m \dot v = e_l - v + g (0 - v), \quad \tau_{syn} \dot g = -g, \quad
      g \leftarrow g + w$$

    with time constants of 10 and 5 ms, a rest of -74, a threshold of -54 and a reset to
    -60 mV; g is relative to the leak. Weights begin uniform in 0 .. 0.01 and change by `STDP`,
    whose windows of 20 ms have the areas $A_- \tau_- = 1.05 \, A_+ \tau_+$, $A_+$ being 1 % of
    the largest weight. Within 100 s they part into strong and weak ones. Over these, expect
    22.1 (1.3) Hz and at the end a mean weight of 0.468 (0.002) of the largest, as in Brian2 with
    the same step. Brian2's own example has 25.4 (1.4) Hz and 0.473: its forward Euler takes
    1 % more conductance, and a pair of spikes in one step potentiates.

    - `n_cells`: neurons, which all get the same inputs. `rate_hz`: of the inputs, constant:
      a number, or one value an input.
    - `learning`: another rule, for weights in 0 .. 0.01. `dt`: ms, of the run.

    Song, Miller & Abbott 2000, Nat. Neurosci. 3:919.
    """
    k_network, k_inputs, k_start = jax.random.split(key, 3)
    # A leak of 1 nS: conductances are relative to it.
    cell = LIF(10.0, 1.0, -74.0, threshold=-54.0, v_reset=-60.0, t_ref=None)
    sources = inputs.poisson(rate_hz, shape=(n,), key=k_inputs, ahead=True)
    populations = dict(
        inputs=Population(sources, n),
        cells=Population(cell, n_cells, dict(ampa=Exponential(5.0, e_rev=0.0))),
    )
    if learning is None:
        learning = STDP(0.01 * G_MAX, 0.0105 * G_MAX, bounds=HardBounds(0.0, G_MAX))
    weight = Uniform(0.0, G_MAX)
    projection = Projection("inputs", "cells", AllToAll(), weight, learning=learning)
    network = Network(populations, [projection], key=k_network)
    start = {"cells.v": -60.0}
    return network, {}, initial_state(network, start, dt=dt, key=k_start)
