"""Spike sources that remember their last spike, drawn as whole trains.

Intervals are drawn in continuous time, so that they are exact and a train is the same for
every dt. It takes the memory of its spikes: `capacity` times the population. Each draw is a
function of the source's key, the number of the spike and the neuron, so that a longer train
begins with the shorter one. All return a `SpikeTrain`.
"""

import math
from collections.abc import Callable
from typing import Any

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
    wait = lambda key: jax.random.exponential(key, shape, rate.dtype) / rate
    n = _capacity("poisson_train", capacity, duration, rate_hz)
    times = _times("poisson_train", wait, wait, n, duration, key)
    return SpikeTrain(*times, counts)


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
    order = above(order, 0, "gamma_train.order")
    shape = population("gamma_train", shape, rate_hz=rate, order=order)
    interval = lambda key: jax.random.gamma(key, order, shape) / (order * rate)

    def first(key):
        # What a random time leaves of the interval it falls into, which are met by length.
        met, left = jax.random.split(key)
        met = jax.random.gamma(met, order + 1, shape) / (order * rate)
        return met * jax.random.uniform(left, shape, met.dtype)

    n = _capacity("gamma_train", capacity, duration, rate_hz, order=order)
    times = _times("gamma_train", first, interval, n, duration, key)
    return SpikeTrain(*times, counts)


def refractory_poisson_train(
    rate_hz: ArrayLike,
    dead_time: ArrayLike,
    duration: ArrayLike,
    *,
    recovery: ArrayLike = 0.0,
    shape: tuple[int, ...] = (),
    key: Any = None,
    capacity: int | None = None,
    counts: bool = False,
) -> SpikeTrain:
    r"""A Poisson process of rate $\lambda$ with absolute and relative refractoriness.

    A time s after a spike the rate is 0 up to the dead time d, then
    $\lambda (1 - e^{-(s - d) / \tau})$. Without relative refractoriness ($\tau = 0$) spikes
    come at $\lambda / (1 + \lambda d)$ with a CV of $1 / (1 + \lambda d)$, and the Fano factor
    of long windows is CV^2. It starts in equilibrium.

    - `rate_hz`: Hz, $\lambda$, above 0: the rate when fully recovered, not that of spikes.
    - `dead_time`: ms, at least 0. `recovery`: $\tau$, ms, at least 0.
    - others: see `gamma_train`.
    """
    name = "refractory_poisson_train"
    rate = positive(rate_hz, f"{name}.rate_hz", "Hz") / 1000
    dead = at_least(dead_time, 0, f"{name}.dead_time", "ms")
    tau = at_least(recovery, 0, f"{name}.recovery", "ms")
    shape = population(name, shape, rate_hz=rate, dead_time=dead, recovery=tau)
    relative = tau > 0
    tau = jnp.where(relative, tau, 1.0)  # what is computed with it is not used
    a = rate * tau

    def wait(key):
        """From the end of the dead time to the spike."""
        plain = jax.random.exponential(key, shape, a.dtype) / rate
        return jnp.where(relative, tau * _recovered(plain / tau), plain)

    # y = a exp(-s / tau) of what is left, s, of a wait at a random time has the density of a
    # gamma variable of order a cut off at a, and the integral of that gives the mean wait.
    log_scale = a - a * jnp.log(a) + jax.scipy.special.gammaln(a)
    mean = tau * jnp.exp(log_scale) * jax.scipy.special.gammainc(a, a)
    mean = dead + jnp.where(relative, mean, 1 / rate)

    def first(key):
        which, part, whole, left, free = jax.random.split(key, 5)
        in_dead = jax.random.uniform(which, shape, a.dtype) * mean < dead
        dead_left = dead * jax.random.uniform(part, shape, a.dtype)
        # A gamma variable is below its mean a more often than not: one of 64 is, surely.
        draw = lambda key: jax.random.loggamma(key, a, shape) - jnp.log(a)
        log_y = jax.vmap(draw)(jax.random.split(left, 64))
        log_y = jnp.take_along_axis(log_y, jnp.argmax(log_y < 0, 0)[None], 0)[0]
        plain = jax.random.exponential(free, shape, a.dtype) / rate
        wait_left = jnp.where(relative, -tau * log_y, plain)
        return jnp.where(in_dead, dead_left + wait(whole), wait_left)

    interval = lambda key: dead + wait(key)
    n = _capacity(name, capacity, duration, rate_hz, dead_time=dead_time)
    times = _times(name, first, interval, n, duration, key)
    return SpikeTrain(*times, counts)


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
    return SpikeTrain(times, _known("regular_train", times, duration), counts)


def _times(
    name: str,
    first: Callable[[Any], Array],
    interval: Callable[[Any], Array],
    n: int,
    duration: ArrayLike,
    key: Any,
) -> tuple[Array, Array]:
    """`n` spike times, from the first one and the intervals; up to where they are known."""
    require_key(key, name)
    begin = first(jax.random.fold_in(key, 0))[None]
    more = jax.vmap(lambda k: interval(jax.random.fold_in(key, k)))(jnp.arange(1, n))
    times = jnp.cumsum(jnp.concatenate([begin, more]), axis=0)
    return times, _known(name, times, duration)


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


def _known(name: str, times: Array, duration: ArrayLike) -> Array:
    """Up to where each train is known: its duration, or its last spike if it is too short."""
    duration = as_float(duration)
    ends = times[-1] < duration
    if not is_traced(ends) and bool(ends.any()):
        last = float(jnp.min(times[-1]))
        raise ValueError(
            f"{name}.capacity={len(times)} spikes last only to {last:g} ms of "
            f"{float(duration):g} ms: give more."
        )
    return jnp.where(ends, times[-1], duration)


def _recovered(c: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """x >= 0 with x - 1 + exp(-x) = c, by Newton's method from above."""
    c = jnp.maximum(c, jnp.finfo(c.dtype).tiny)
    x = jnp.minimum(c + 1, c + jnp.sqrt(2 * c))
    for _ in range(6):
        x = x - (x + jnp.expm1(-x) - c) / -jnp.expm1(-x)
    return x
