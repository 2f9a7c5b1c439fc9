"""The network of 1000 neurons of Izhikevich 2003."""

from typing import Any

import jax
import jax.numpy as jnp

from snnjax import inputs
from snnjax.layers import Recurrent
from snnjax.neurons import Izhikevich


def izhikevich_2003(
    *, key: Any, n_exc: int = 800, n_inh: int = 200
) -> tuple[Recurrent, inputs.WhiteNoise]:
    """(network, thalamic drive) of the paper's figure 3: run it with dt = 1 ms.

    All neurons reach all others, excitatory ones (which come first) with weights uniform in
    0 .. 0.5, inhibitory ones in -1 .. 0; spikes arrive in the next step. The drive is white
    noise of standard deviation 5 (excitatory) and 2 (inhibitory cells) per step of 1 ms.
    Expect mean rates near 7.6 and 7.2 Hz, and population rhythms near 8 and 28 Hz.

        network, drive = snn.networks.izhikevich_2003(key=jax.random.key(0))
        sol = snn.simulate(network, drive, dt=1.0, duration=1000.0)

    Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569.
    """
    k_exc, k_inh, k_weight, k_drive = jax.random.split(key, 4)
    exc = Izhikevich.excitatory(jax.random.uniform(k_exc, (n_exc,)))
    inh = Izhikevich.inhibitory(jax.random.uniform(k_inh, (n_inh,)))

    def both(name):
        of_exc = jnp.broadcast_to(getattr(exc, name), n_exc)
        return jnp.concatenate([of_exc, jnp.broadcast_to(getattr(inh, name), n_inh)])

    abcd = {name: both(name) for name in "abcd"}
    neurons = Izhikevich(**abcd, v_start=exc.v_start, integrator=exc.integrator)
    scale = jnp.concatenate([jnp.full(n_exc, 0.5), jnp.full(n_inh, -1.0)])
    weight = scale * jax.random.uniform(k_weight, (n_exc + n_inh, n_exc + n_inh))
    sigma = jnp.concatenate([jnp.full(n_exc, 5.0), jnp.full(n_inh, 2.0)])
    return Recurrent(neurons, weight), inputs.white_noise(0.0, sigma, key=k_drive)
