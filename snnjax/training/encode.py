"""From numbers to spike trains."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import count
from snnjax.core.parameters import check_parameters, parameter


class BernoulliCode(eqx.Module):
    """Rate code: in each step a spike with probability `max_probability` times the value.

    Called as `code(x, key)`, x [...] in 0 .. 1, it gives spikes [n_steps, ...].
    """

    n_steps: int = eqx.field(
        static=True, converter=lambda n: count(n, "BernoulliCode.n_steps")
    )
    max_probability: Float[Array, ""] = parameter(1.0, "", at_least=0, at_most=1)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key):
        p = jnp.broadcast_to(self.max_probability * x, (self.n_steps, *x.shape))
        return jax.random.bernoulli(key, p).astype(x.dtype)


class LatencyCode(eqx.Module):
    """One spike a value, the earlier the larger it is; none for values up to `smallest`.

    Value 1 fires in the first of `n_steps`, `smallest` would in the last (linear latency).
    Called as `code(x, key)`, x [...] in 0 .. 1, it gives spikes [n_steps, ...]; no randomness.
    """

    n_steps: int = eqx.field(
        static=True, converter=lambda n: count(n, "LatencyCode.n_steps")
    )
    smallest: Float[Array, ""] = parameter(0.05, "", at_least=0, at_most=1)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key=None):
        del key
        late = (1 - x) / (1 - self.smallest) * (self.n_steps - 1)
        at = jnp.where(x > self.smallest, jnp.round(late), -1)
        steps = jnp.arange(self.n_steps).reshape(-1, *(1,) * x.ndim)
        return (steps == at).astype(x.dtype)
