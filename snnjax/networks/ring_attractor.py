"""A ring attractor: a bump of activity that stays where it was cued."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax import inputs
from snnjax.connect import AllToAll, BoxKernel, DistanceDependent, positions, ring
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.neurons import LIF
from snnjax.synapses import Exponential

N_EXC, N_INH = 400, 100


def ring_attractor(
    cue: float | None = 180.0, *, key: Any
) -> tuple[Network, dict[str, Any], None]:
    r"""(network, inputs, None) of a spiking memory for a direction.

        network, inputs, state = snn.networks.ring_attractor(90.0, key=jax.random.key(0))
        sol = snn.simulate(
            network, inputs, 0.1, duration=2000.0, record=snn.SpikeCount(of="exc", every=1000)
        )
        angle, sharpness = snn.networks.direction(sol.ys)  # of each 100 ms

    400 excitatory neurons ("exc") stand on a ring and excite each other with a weight that
    falls off with distance as a Gaussian of 25 degrees, by currents of 50 ms; 100 inhibitory
    ones ("inh") are reached by all and inhibit all. Both rest below threshold and fire at
    a Hz by noise. A `cue` (degrees; None is no cue) drives the neurons around it from 100
    to 300 ms. The bump of activity that it leaves, near 130 Hz at its middle, lives on by
    itself and drifts by a few degrees a second.

    The principle is that of Amari 1977, Biol. Cybern. 27:77, and of the spiking models of Compte
    et al. 2000, Cereb. Cortex 10:910, and Laing & Chow 2001, Neural Comput. 13:1473; the
    numbers are this model's own.
    """
    k_network, k_exc, k_inh = jax.random.split(key, 3)
    cell = dict(g_l=1.0, e_l=0.0, threshold=20.0, v_reset=10.0)
    fast, slow = Exponential(8.0), Exponential(50.0)
    exc = Population(LIF(20.0, t_ref=2.0, **cell), N_EXC, dict(nmda=slow, gaba=fast))
    inh = Population(LIF(10.0, t_ref=1.0, **cell), N_INH, dict(nmda=slow, gaba=fast))
    around = DistanceDependent(BoxKernel(0.5), ring(N_EXC), extent=1.0)  # reaches all
    falling = lambda d: 0.2 * jnp.exp(-((d / 0.07) ** 2) / 2)  # pA, of the way round
    network = Network(
        dict(exc=exc, inh=inh),
        [
            Projection("exc", "exc", around, falling, receptor="nmda"),
            Projection("exc", "inh", AllToAll(), 0.06, receptor="nmda"),
            Projection("inh", "exc", AllToAll(), -0.3, receptor="gaba"),
            Projection("inh", "inh", AllToAll(), -0.1, receptor="gaba"),
        ],
        key=k_network,
    )
    drive = inputs.white_noise(17.5, 17.0, shape=(N_EXC,), key=k_exc)
    if cue is not None:
        away = positions.separation(ring(N_EXC), jnp.array([cue / 360]), jnp.ones(1))
        bump = 10.0 * jnp.exp(-((away / 0.05) ** 2) / 2)
        drive = drive + inputs.step(bump, start=100.0, stop=300.0)
    noise = inputs.white_noise(15.0, 20.0, shape=(N_INH,), key=k_inh)
    return network, dict(exc=drive, inh=noise), None


def direction(
    counts: Float[Array, "... n"],
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """(mean direction in degrees, its sharpness) of spike counts on a ring.

    The direction of the population vector, and its length over that of one where all spikes
    are from a single neuron: 0 of even activity.
    """
    counts = jnp.asarray(counts)
    n = counts.shape[-1]
    at = 2 * jnp.pi * (jnp.arange(n) + 0.5) / n
    x, y = (counts @ f(at) for f in (jnp.cos, jnp.sin))
    total = jnp.maximum(counts.sum(-1), 1)
    return jnp.rad2deg(jnp.arctan2(y, x)) % 360, jnp.hypot(x, y) / total
