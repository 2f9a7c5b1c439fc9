"""The network of 1000 neurons of Izhikevich 2003."""

from typing import Any

import jax
import jax.numpy as jnp

from snnjax import inputs
from snnjax.connect import AllToAll, FixedInDegree, Uniform
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.neurons import Izhikevich
from snnjax.synapses import Instantaneous


def izhikevich_2003(
    *, key: Any, n_exc: int = 800, n_inh: int = 200, in_degree: int | None = None
) -> tuple[Network, inputs.WhiteNoise]:
    """(network, thalamic drive) of the paper's figure 3: run it with dt = 1 ms.

    All neurons reach all others, excitatory ones (part "exc", which comes first) with weights
    uniform in 0 .. 0.5, inhibitory ones ("inh") in -1 .. 0; spikes arrive in the next step.
    The drive is white noise of standard deviation 5 (excitatory) and 2 (inhibitory cells) per
    step of 1 ms. Expect mean rates near 7.6 and 7.2 Hz, and population rhythms near 8 and
    28 Hz.

        network, drive = snn.networks.izhikevich_2003(key=jax.random.key(0))
        sol = snn.simulate(network, drive, dt=1.0, duration=1000.0)

    - `in_degree`: inputs of each neuron, excitatory and inhibitory ones in proportion to the
      populations and multapses allowed, instead of all; for larger networks. Weights are
      4000 / 1000 times as large for 4000 neurons. Expect 6.1 and 4.2 Hz with 3200 + 800
      neurons and 100 inputs.

    Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569.
    """
    k_exc, k_inh, k_network, k_drive = jax.random.split(key, 4)
    exc = Izhikevich.excitatory(jax.random.uniform(k_exc, (n_exc,)))
    inh = Izhikevich.inhibitory(jax.random.uniform(k_inh, (n_inh,)))
    join = lambda a, b: jnp.append(jnp.broadcast_to(a, n_exc), jnp.broadcast_to(b, n_inh))
    abcd = {name: join(getattr(exc, name), getattr(inh, name)) for name in "abcd"}
    neurons = Izhikevich(**abcd, v_start=exc.v_start, integrator=exc.integrator)
    parts = dict(exc=n_exc, inh=n_inh)
    cells = Population(neurons, n_exc + n_inh, Instantaneous(), parts)
    synapses = _synapses(n_exc, n_inh, in_degree)
    projections = [Projection(a, "cells", rule, w) for a, (rule, w) in synapses.items()]
    network = Network(dict(cells=cells), projections, key=k_network)
    return network, inputs.white_noise(0.0, join(5.0, 2.0), key=k_drive)


def _synapses(n_exc: int, n_inh: int, in_degree: int | None) -> dict[str, tuple[Any, Any]]:
    """(wiring, weights) by source."""
    if in_degree is None:
        return dict(
            exc=(AllToAll(), Uniform(0.0, 0.5)), inh=(AllToAll(), Uniform(-1.0, 0.0))
        )
    n = n_exc + n_inh
    c_inh, strength = round(in_degree * n_inh / n), n / 1000
    return dict(
        exc=(FixedInDegree(in_degree - c_inh), Uniform(0.0, 0.5 * strength)),
        inh=(FixedInDegree(c_inh), Uniform(-strength, 0.0)),
    )
