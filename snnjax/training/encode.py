"""From numbers to currents and spike trains, each number on its own."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import count
from snnjax.core.parameters import check_parameters, parameter
from snnjax.inputs.poisson import poisson


def _steps(name: str):
    return eqx.field(static=True, converter=lambda n: count(n, f"{name}.n_steps"))


class DirectCurrent(eqx.Module):
    """The value itself, times `gain`, in every step: a constant current.

    Called as `code(x, key)`, x [...] of any size, it gives currents [n_steps, ...] in the
    unit of `gain`; no randomness. The first layer turns them into spikes.
    """

    n_steps: int = _steps("DirectCurrent")
    gain: Float[Array, ""] = parameter(1.0, "unit of the input")

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key=None):
        del key
        current = (self.gain * x).astype(jnp.result_type(x, jnp.float32))
        return jnp.broadcast_to(current, (self.n_steps, *x.shape))


class BernoulliCode(eqx.Module):
    """Rate code: in each step a spike with probability `max_probability` times the value.

    Called as `code(x, key)`, x [...] in 0 .. 1, it gives spikes [n_steps, ...].
    """

    n_steps: int = _steps("BernoulliCode")
    max_probability: Float[Array, ""] = parameter(1.0, "", at_least=0, at_most=1)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key):
        p = jnp.broadcast_to(self.max_probability * x, (self.n_steps, *x.shape))
        return jax.random.bernoulli(key, p).astype(x.dtype)


class PoissonCode(eqx.Module):
    r"""Rate code: a Poisson process of rate `max_rate_hz` times the value, in steps of `dt`.

    A step has a spike where there is at least one event, with probability
    $1 - e^{-r \, dt}$; see `inputs.poisson`, which draws them. Unlike `BernoulliCode` it means
    the same for every dt.

    - `max_rate_hz`: Hz, the rate of value 1. `dt`: ms, that of the run.
    - `counts`: give the number of events in a step instead.

    Called as `code(x, key)`, x [...] at least 0, it gives spikes [n_steps, ...].
    """

    n_steps: int = _steps("PoissonCode")
    max_rate_hz: Float[Array, ""] = parameter(100.0, "Hz", at_least=0)
    dt: Float[Array, ""] = parameter(1.0, "ms", above=0)
    counts: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key):
        rate_hz = (self.max_rate_hz * x).astype(x.dtype)
        source = poisson(rate_hz, shape=x.shape, key=key, counts=self.counts)
        spikes = jax.vmap(source, (0, None))(jnp.arange(self.n_steps), self.dt)
        return spikes.astype(x.dtype)


class LatencyCode(eqx.Module):
    r"""One spike a value, the earlier the larger it is; none for values up to `smallest`.

    Linear by default: value 1 fires in the first of `n_steps`, `smallest` would in the last.
    With `tau` it is logarithmic, the time that a leaky integrator of time constant `tau` takes
    to be charged up to `smallest` by the constant value x,

    $$t = \tau \ln \frac{x}{x - smallest},$$

    and there is no spike where that is after the last step. It is then the first spike of
    `LIF(tau, g_l=1, e_l=0, threshold=smallest)` in steps of 1.

    - `smallest`: 0 .. 1. `tau`: steps, or None.

    Called as `code(x, key)`, x [...] in 0 .. 1, it gives spikes [n_steps, ...]; no randomness.
    Thorpe, Delorme & Van Rullen 2001, Neural Netw. 14:715.
    """

    n_steps: int = _steps("LatencyCode")
    smallest: Float[Array, ""] = parameter(0.05, "", at_least=0, at_most=1)
    tau: Float[Array, ""] | None = parameter(None, "steps", above=0)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key=None):
        del key
        fires = x > self.smallest
        if self.tau is None:
            late = (1 - x) / (1 - self.smallest) * (self.n_steps - 1)
            at = jnp.round(late)
        else:
            x_safe = jnp.where(fires, x, 2 * self.smallest + 1)
            at = jnp.floor(-self.tau * jnp.log1p(-self.smallest / x_safe))
        return one_hot_in_time(jnp.where(fires, at, -1), self.n_steps, x.dtype)


class SpikeTimeCode(eqx.Module):
    """The value is itself the time of a spike, which falls into the step that contains it.

    - `duration`: that of all `n_steps`, in the unit of the values; a spike at its very end
      belongs to the last step, one after it or at NaN is none.

    Called as `code(x, key)`, x [...] in 0 .. duration, it gives spikes [n_steps, ...]; no
    randomness.
    """

    n_steps: int = _steps("SpikeTimeCode")
    duration: Float[Array, ""] = parameter(1.0, "unit of the values", above=0)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key=None):
        del key
        step = jnp.floor(x / self.duration * self.n_steps)
        at = jnp.where(x == self.duration, self.n_steps - 1, step)
        return one_hot_in_time(at, self.n_steps, x.dtype)


def one_hot_in_time(at, n_steps: int, dtype) -> Float[Array, "n_steps *n"]:
    """1.0 in step `at` [...] of each, in none where that is out of 0 .. n_steps - 1."""
    steps = jnp.arange(n_steps).reshape(-1, *(1,) * jnp.ndim(at))
    return (steps == at).astype(dtype)
