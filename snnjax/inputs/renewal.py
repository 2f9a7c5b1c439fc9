"""Spike sources that remember their last spike, drawn as whole trains.

Intervals are drawn in continuous time, so that they are exact and a train is the same for
every dt. It takes the memory of its spikes: `capacity` times the population. Each draw is a
function of the source's key, the number of the spike and the neuron, so that a longer train
begins with the shorter one. All return a `SpikeTrain`.
"""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import above, as_float, at_least, is_traced, positive
from snnjax.inputs.base import population, require_key
from snnjax.inputs.trains import SpikeTrain


def poisson_train(
    rate_hz: ArrayLike,
    duration: ArrayLike,
    *,
    shape: tuple[int, ...] = (),
    key: Any = None,
    capacity: int | None = None,
    counts: bool = False,
) -> SpikeTrain:
    r"""A Poisson process from its waiting times, of density $r e^{-r t}$.

    - `rate_hz`: Hz, above 0. Others: see `gamma_train`.
    """
    rate = positive(rate_hz, "poisson_train.rate_hz", "Hz") / 1000
    shape = population("poisson_train", shape, rate_hz=rate)
    n = _capacity("poisson_train", capacity, duration, rate_hz)
    times = _draw(_Poisson(rate), shape, n, require_key(key, "poisson_train"))
    return _known("poisson_train", times, duration, counts)


def gamma_train(
    rate_hz: ArrayLike,
    order: ArrayLike,
    duration: ArrayLike,
    *,
    shape: tuple[int, ...] = (),
    key: Any = None,
    capacity: int | None = None,
    counts: bool = False,
) -> SpikeTrain:
    r"""A renewal process with gamma-distributed intervals, of CV $1 / \sqrt{k}$.

    For a whole `order` k it takes every k-th event of a Poisson process. It starts in
    equilibrium: the rate is constant from the first step on.

    - `rate_hz`: Hz, of spikes, above 0. `order`: k, above 0; 1 is a Poisson process.
    - `duration`: ms; the train is drawn up to there, and a longer run gets NaN.
    - `shape`: of the population; each of it has its own train. `key`: of this source alone.
    - `capacity`: the most spikes a train can have; needed where rate or duration are traced.
      Otherwise there is room for six standard deviations more than expected. A train that
      does not fit is refused; if it is traced, it is known up to its last spike only.
    - `counts`: give the number of spikes in a step instead of 1.0 for one or more.
    """
    rate = positive(rate_hz, "gamma_train.rate_hz", "Hz") / 1000
    k = above(order, 0, "gamma_train.order")
    shape = population("gamma_train", shape, rate_hz=rate, order=k)
    n = _capacity("gamma_train", capacity, duration, rate_hz, order=order)
    times = _draw(_Gamma(rate, k), shape, n, require_key(key, "gamma_train"))
    return _known("gamma_train", times, duration, counts)


def refractory_poisson_train(
    rate_hz: ArrayLike,
    dead_time: ArrayLike,
    duration: ArrayLike,
    *,
    recovery: ArrayLike | None = None,
    shape: tuple[int, ...] = (),
    key: Any = None,
    capacity: int | None = None,
    counts: bool = False,
) -> SpikeTrain:
    r"""A Poisson process of rate $\lambda$ with absolute and relative refractoriness.

    A time s after a spike the rate is 0 up to the dead time d, then
    $\lambda (1 - e^{-(s - d) / \tau})$. Without the relative part spikes come at
    $\lambda / (1 + \lambda d)$ with a CV of $1 / (1 + \lambda d)$, and the Fano factor of long
    windows is CV^2. It starts in equilibrium.

    - `rate_hz`: Hz, $\lambda$, above 0: the rate when fully recovered, not that of spikes.
    - `dead_time`: d, ms, at least 0. `recovery`: $\tau$, ms, above 0; None is at once.
    - others: see `gamma_train`.
    """
    name = "refractory_poisson_train"
    rate = positive(rate_hz, f"{name}.rate_hz", "Hz") / 1000
    dead = at_least(dead_time, 0, f"{name}.dead_time", "ms")
    values = dict(rate_hz=rate, dead_time=dead)
    tau = None
    if recovery is not None:
        tau = values["recovery"] = positive(recovery, f"{name}.recovery", "ms")
    shape = population(name, shape, **values)
    n = _capacity(name, capacity, duration, rate_hz, dead_time=dead_time)
    times = _draw(_Refractory(rate, dead, tau), shape, n, require_key(key, name))
    return _known(name, times, duration, counts)


def regular_train(
    rate_hz: ArrayLike,
    duration: ArrayLike,
    *,
    jitter: ArrayLike = 0.0,
    phase: ArrayLike = 0.5,
    shape: tuple[int, ...] = (),
    key: Any = None,
    capacity: int | None = None,
    counts: bool = False,
) -> SpikeTrain:
    """Spikes at equal intervals, each moved by normally distributed jitter of its own.

    Spike k lies at (k + phase) / rate plus its jitter, which does not add up over spikes;
    those moved to before 0 are lost.

    - `rate_hz`: Hz, above 0. `jitter`: standard deviation, ms, at least 0; needs a `key`.
    - `phase`: of the first spike, in periods, at least 0.
    - others: see `gamma_train`.
    """
    period = 1000 / positive(rate_hz, "regular_train.rate_hz", "Hz")
    jitter = at_least(jitter, 0, "regular_train.jitter", "ms")
    phase = at_least(phase, 0, "regular_train.phase", "periods")
    shape = population("regular_train", shape, rate_hz=period, jitter=jitter, phase=phase)
    if key is None and not is_traced(jitter) and not np.any(jitter):
        key = jax.random.key(0)  # nothing is drawn
    require_key(key, "regular_train")
    # Jitter moves spikes in from behind the end, too.
    span = duration if is_traced((duration, jitter)) else duration + 6 * np.max(jitter)
    n = _capacity("regular_train", capacity, span, rate_hz, order=jnp.inf)

    def time(k):
        shift = jax.random.normal(jax.random.fold_in(key, k), shape, period.dtype)
        return jnp.broadcast_to((k + phase) * period, shape) + jitter * shift

    times = jnp.sort(jax.vmap(time)(jnp.arange(n)), axis=0)
    return _known("regular_train", times, duration, counts)


class _AbstractRenewal(eqx.Module):
    """Independent intervals, in ms."""

    @abc.abstractmethod
    def interval(self, key: Any, shape: tuple[int, ...]) -> Array:
        """From one spike to the next."""

    @abc.abstractmethod
    def left(self, key: Any, interval: Array) -> Array:
        """From a random time to the next spike, using an independent `interval`."""


class _Poisson(_AbstractRenewal):
    rate: Float[Array, "*n"]  # 1/ms

    def interval(self, key, shape):
        return jax.random.exponential(key, shape, self.rate.dtype) / self.rate

    def left(self, key, interval):
        return interval


class _Gamma(_AbstractRenewal):
    rate: Float[Array, "*n"]  # 1/ms
    order: Float[Array, "*n"]

    def interval(self, key, shape):
        return jax.random.gamma(key, self.order, shape) / (self.order * self.rate)

    def left(self, key, interval):
        # A random time meets intervals by their length: a gamma variable of order k + 1.
        more, part = jax.random.split(key)
        more = jax.random.exponential(more, interval.shape, interval.dtype)
        met = interval + more / (self.order * self.rate)
        return met * jax.random.uniform(part, interval.shape, interval.dtype)


class _Refractory(_AbstractRenewal):
    rate: Float[Array, "*n"]  # 1/ms
    dead: Float[Array, "*n"]
    tau: Float[Array, "*n"] | None

    def interval(self, key, shape):
        wait = jax.random.exponential(key, shape, self.rate.dtype) / self.rate
        if self.tau is not None:
            wait = self.tau * _recovered(wait / self.tau)
        return self.dead + wait

    def left(self, key, interval):
        which, part, wait = jax.random.split(key, 3)
        mean, wait = self._wait(wait, interval.shape)
        uniform = lambda key: jax.random.uniform(key, interval.shape, interval.dtype)
        in_dead = uniform(which) * (self.dead + mean) < self.dead
        return jnp.where(in_dead, interval - uniform(part) * self.dead, wait)

    def _wait(self, key, shape):
        """Mean time from the dead time's end to the spike; what a random time leaves of it."""
        if self.tau is None:
            wait = jax.random.exponential(key, shape, self.rate.dtype) / self.rate
            return 1 / self.rate, wait
        # With y = a exp(-s / tau), what is left, s, has the density of a gamma variable of
        # order a that is cut off at a; integrated, it gives the mean.
        a = self.rate * self.tau
        log_scale = a - a * jnp.log(a) + jax.scipy.special.gammaln(a)
        mean = self.tau * jnp.exp(log_scale) * jax.scipy.special.gammainc(a, a)
        # It is below its mean a more often than not: one of 64 is, surely.
        draw = lambda key: jax.random.loggamma(key, a, shape) - jnp.log(a)
        log_y = jax.vmap(draw)(jax.random.split(key, 64))
        log_y = jnp.take_along_axis(log_y, jnp.argmax(log_y < 0, 0)[None], 0)[0]
        return mean, -self.tau * log_y


@eqx.filter_jit
def _draw(process: _AbstractRenewal, shape: tuple[int, ...], n: int, key: Any) -> Array:
    """The first `n` spikes of a process in equilibrium."""
    begin, more = jax.random.split(key)
    interval = lambda k: process.interval(jax.random.fold_in(more, k), shape)
    intervals = jax.vmap(interval)(jnp.arange(n))
    return jnp.cumsum(intervals.at[0].set(process.left(begin, intervals[0])), axis=0)


def _capacity(
    name: str,
    capacity: int | None,
    duration: ArrayLike,
    rate_hz: ArrayLike,
    order: ArrayLike = 1.0,
    dead_time: ArrayLike = 0.0,
) -> int:
    """`capacity`, or six standard deviations above the spikes that are expected."""
    if positive(duration, f"{name}.duration", "ms").ndim:
        raise ValueError(f"{name}.duration must be one number in ms, got {duration}.")
    if capacity is not None:
        if is_traced(capacity) or int(capacity) != capacity or capacity < 1:
            raise ValueError(
                f"{name}.capacity must be a whole number above 0, got {capacity}."
            )
        return int(capacity)
    given = duration, rate_hz, order, dead_time
    if is_traced(given):
        raise ValueError(
            f"{name} needs capacity=, the most spikes a train can have, where its rate or "
            "duration is traced."
        )
    duration, rate, order, dead = (np.asarray(x, dtype=float) for x in given)
    expected = duration / (1000 / rate + dead)
    return math.ceil(np.max(expected + 6 * np.sqrt(expected / order) + 10 + 10 / order))


def _known(name: str, times: Array, duration: ArrayLike, counts: bool) -> SpikeTrain:
    """The train, known up to `duration`, or to its last spike where `times` is too short."""
    duration = as_float(duration)
    ends = times[-1] < duration
    if not is_traced(ends) and bool(ends.any()):
        last = float(jnp.min(times[-1]))
        raise ValueError(
            f"{name}.capacity={len(times)} spikes last only to {last:g} ms of "
            f"{float(duration):g} ms: give more."
        )
    return SpikeTrain(times, jnp.where(ends, times[-1], duration), counts)


def _recovered(c: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """x >= 0 with x - 1 + exp(-x) = c, by Newton's method from above."""
    c = jnp.maximum(c, jnp.finfo(c.dtype).tiny)
    x = jnp.minimum(c + 1, c + jnp.sqrt(2 * c))
    for _ in range(6):
        x = x - (x + jnp.expm1(-x) - c) / -jnp.expm1(-x)
    return x
