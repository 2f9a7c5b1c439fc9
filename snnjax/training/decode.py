"""From the outputs of a network to one score a class: the largest decides."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def mean_over_time(outputs: Float[Array, "time ..."]) -> Float[Array, "..."]:
    """Mean over time: the firing rate in spikes per step, or the mean potential."""
    return outputs.mean(0)


def max_over_time(outputs: Float[Array, "time ..."]) -> Float[Array, "..."]:
    """Maximum over time, as of the potential of a readout that does not fire.

    Its gradient goes to the step of the maximum alone, equal ones sharing it (Cramer et al.
    2022, PNAS 119:e2109194119).
    """
    return outputs.max(0)


def last_step(outputs: Float[Array, "time ..."]) -> Float[Array, "..."]:
    """What the last step gives, for tasks whose answer is due at the end."""
    return outputs[-1]


def first_spike(spikes: Float[Array, "time ..."]) -> Float[Array, "..."]:
    r"""Minus the step of the first spike: 0 in the first step, -time where none comes.

    $$-\sum_{t=0}^{T-1} \prod_{k \le t} (1 - s_k)$$

    The product is 1 until the first spike and 0 from there on, so that the sum counts the
    steps before it. Where s_k is a probability to fire, the product is that of silence up to
    t, and the sum the expected first step (first-to-spike decoding: Bagheri, Simeone &
    Rajendran 2018, ICASSP, 2986). That relaxation supplies the gradient to the spikes: with
    $t^*$ the step of the first spike, a spike at an earlier t would gain $t^* - t$ steps,
    losing the one at $t^*$ would cost the steps to the next, and later ones have no effect. A
    silent neuron has $t^* = T$, and so a gradient at every step.
    """
    return -jnp.cumprod(1 - spikes, axis=0).sum(0)
