"""What the sides that are built on jax share."""

import jax
import jax.numpy as jnp
import optax
from side import Side
from workloads import MEAN_SPIKES


def criterion(work, labels):
    """Loss of the output of `work`: spikes [time, batch, n], or a readout over time."""
    if not work.trains:
        return lambda spikes: ((spikes.mean(0) - MEAN_SPIKES) ** 2).sum()
    entropy = optax.softmax_cross_entropy_with_integer_labels
    return lambda outputs: entropy(outputs.mean(0), labels).mean()


def inputs(data, channels_last=False):
    """(inputs, labels or cotangent or None) on the device, in float32."""
    x = jnp.asarray(data["x"]).astype(jnp.float32)
    if channels_last:
        x = jnp.moveaxis(x, 2, -1)
    extra = [jnp.asarray(data[k]) for k in ("labels", "cotangent") if k in data]
    return jax.block_until_ready(x), *(extra or [None])


def alone(run, x, cotangent) -> Side:
    """The side of a neuron without weights, `run` being its spikes of inputs."""
    forward = jax.jit(run)

    @jax.jit
    def both(x, cotangent):
        spikes, pull = jax.vjp(run, x)
        return spikes, pull(cotangent)[0]

    def gradients():
        spikes, grad = both(x, cotangent)
        return jnp.vdot(spikes, cotangent), {"x": grad}

    return Side(
        {
            "forward": lambda: jax.block_until_ready(forward(x)),
            "forward + backward": lambda: jax.block_until_ready(both(x, cotangent)),
        },
        gradients,
    )
