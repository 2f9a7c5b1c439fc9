"""The balanced networks of Brette et al. 2007: CUBA, COBA and COBAHH."""

from typing import Any

import jax

from snnjax.connect import AbstractRule, FixedInDegree, Normal, PairwiseBernoulli, Uniform
from snnjax.core.run import RunState
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.networks.start import initial_state
from snnjax.neurons import LIF, HodgkinHuxley
from snnjax.synapses import Exponential

Ready = tuple[Network, dict, RunState]  # what `simulate` takes


def cuba(
    n: int = 4000, *, key: Any, fixed: bool = False, delays: bool = False, dt: float = 0.1
) -> Ready:
    r"""(network, {}, state) of `n` neurons with current-based synapses.

        network, inputs, state = snn.networks.cuba(key=jax.random.key(0))
        sol = snn.simulate(network, inputs, 0.1, duration=1000.0, state=state)

    $$\tau_m \dot v = e_l - v + g_e + g_i, \quad \tau_e \dot g_e = -g_e, \quad
      \tau_i \dot g_i = -g_i$$

    with time constants 20, 5 and 10 ms and a resting potential 1 mV above threshold, which
    drives the network. Four fifths are excitatory (part "exc") and add 1.62 mV to $g_e$, the
    others ("inh") -9 mV to $g_i$. Expect 5.3 to 5.9 Hz; 5.2 Hz in 16,000 neurons, `fixed`.

    - `fixed`: each neuron has 64 excitatory and 16 inhibitory inputs, multapses allowed;
      otherwise each pair is connected with probability 80 / n.
    - `delays`: one a synapse, uniform from 0.1 to 2 ms; without, a spike arrives in the next
      step. `dt`: ms, of the run.

    Vogels & Abbott 2005, J. Neurosci. 25:10786; Brette et al. 2007, J. Comput. Neurosci.
    23:349 (their benchmark 2, driven by e_l).
    """
    k_network, k_start = jax.random.split(key)
    cells = Population(
        # A leak of 1 nS: pA of current are the mV they settle at.
        LIF(20.0, 1.0, -49.0, threshold=-50.0, v_reset=-60.0, t_ref=5.0),
        n,
        dict(ampa=Exponential(5.0), gaba=Exponential(10.0)),
        dict(exc=n * 4 // 5, inh=n - n * 4 // 5),
    )
    (exc, inh), delay = _wiring(n, fixed), Uniform(0.1, 2.0) if delays else None
    projections = [
        Projection("exc", "cells", exc, 1.62, delay, receptor="ampa"),
        Projection("inh", "cells", inh, -9.0, delay, receptor="gaba"),
    ]
    network = Network(dict(cells=cells), projections, key=k_network)
    start = {"cells.v": Uniform(-60.0, -50.0)}
    return network, {}, initial_state(network, start, dt=dt, key=k_start)


def coba(
    n: int = 4000, *, key: Any, fixed: bool = False, t_ref: float = 5.0, dt: float = 0.1
) -> Ready:
    r"""(network, {}, state) as `cuba`, with conductance-based synapses.

    $$\tau_m \dot v = e_l - v + g_e (0 - v) + g_i (-80 - v)$$

    with conductances relative to the leak, of which a spike adds 0.6 and 6.7; at the start they
    are normal, 4 (1.5) and 20 (12). Expect 18 to 20 Hz; 15.6 Hz in 16,000 neurons, `fixed`. With
    e_l at -60 mV, as in the papers, the activity of 4000 neurons lives on by itself, and
    dies at random.

    - `t_ref`: ms. Brian2 holds v for a step less, which makes it 21.9 and 16.0 Hz: cells fire
      in bursts near the limit.
    """
    k_network, k_start = jax.random.split(key)
    cells = Population(
        LIF(20.0, 1.0, -49.0, threshold=-50.0, v_reset=-60.0, t_ref=t_ref),
        n,
        dict(ampa=Exponential(5.0, e_rev=0.0), gaba=Exponential(10.0, e_rev=-80.0)),
        dict(exc=n * 4 // 5, inh=n - n * 4 // 5),
    )
    exc, inh = _wiring(n, fixed)
    projections = [
        Projection("exc", "cells", exc, 0.6, receptor="ampa"),
        Projection("inh", "cells", inh, 6.7, receptor="gaba"),
    ]
    network = Network(dict(cells=cells), projections, key=k_network)
    start = {
        "cells.v": Uniform(-60.0, -50.0),
        "cells.ampa": Normal(4.0, 1.5, 0.0, 20.0, clip=True),
        "cells.gaba": Normal(20.0, 12.0, 0.0, 100.0, clip=True),
    }
    return network, {}, initial_state(network, start, dt=dt, key=k_start)


def cobahh(n: int = 4000, *, key: Any, dt: float = 0.1) -> Ready:
    r"""(network, {}, state) as `coba`, of Hodgkin-Huxley cells, per membrane area.

    The paper gives whole cells of 20,000 um2: 1 nS there is 0.005 mS/cm2 here. So a spike adds
    0.03 and 0.335 mS/cm2 (6 and 67 nS), and conductances start at 0.2 (0.075) and 1 (0.6)
    mS/cm2, gates closed (m = h = n = 0, as in the paper's scripts), v at -65 (5) mV. Spikes
    are crossings of -20 mV. The cells are `HodgkinHuxley.traub_miles`. Expect 33 to 40 Hz.

    Brette et al. 2007, benchmark 3.
    """
    k_network, k_start = jax.random.split(key)
    cells = Population(
        HodgkinHuxley.traub_miles(gates_init=dict(m=0.0, h=0.0, n=0.0)),
        n,
        dict(ampa=Exponential(5.0, e_rev=0.0), gaba=Exponential(10.0, e_rev=-80.0)),
        dict(exc=n * 4 // 5, inh=n - n * 4 // 5),
    )
    exc, inh = _wiring(n, fixed=False)
    projections = [
        Projection("exc", "cells", exc, 0.03, receptor="ampa"),
        Projection("inh", "cells", inh, 0.335, receptor="gaba"),
    ]
    network = Network(dict(cells=cells), projections, key=k_network)
    start = {
        "cells.v": Normal(-65.0, 5.0),
        "cells.ampa": Normal(0.2, 0.075),
        "cells.gaba": Normal(1.0, 0.6),
    }
    return network, {}, initial_state(network, start, dt=dt, key=k_start)


def _wiring(n: int, fixed: bool) -> tuple[AbstractRule, AbstractRule]:
    """From excitatory and from inhibitory neurons."""
    bernoulli = PairwiseBernoulli(80 / n)
    return (FixedInDegree(64), FixedInDegree(16)) if fixed else (bernoulli, bernoulli)
