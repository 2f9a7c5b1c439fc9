"""Distances and similarities of two spike trains.

A train is its spike times in ms, in any order; NaN is no spike, so that trains of unequal
length share a shape, as from `padded_spike_times` or `crossing_times`. All run under `jit`
and `vmap` and can be differentiated with respect to the times and the time constants.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import as_float, at_least, is_traced, positive


def van_rossum(
    times_a: Float[ArrayLike, "a"],
    times_b: Float[ArrayLike, "b"],
    tau: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    r"""Distance of van Rossum between two spike trains; a metric.

    $$D^2 = \frac{1}{\tau} \int_0^\infty (f_a - f_b)^2 dt, \quad
    f(t) = \sum_{t_k \le t} e^{-(t - t_k) / \tau}$$

    `times_a`, `times_b`: ms, NaN for no spike. `tau`: ms, above 0; small for coincidences,
    large for rates. D is 1 for two single spikes infinitely far apart, and $\sqrt{1/2}$ for
    a single spike and an empty train; $D^2 = 1 - e^{-|s| / \tau}$ for a spike shifted by s.
    Two empty trains: 0. Some authors leave out the half and get $\sqrt 2$ times this D.

    Exact, in O(n log n): $f_a - f_b$ is a single exponential between neighbouring spikes
    (van Rossum 2001, Neural Comput. 13:751).
    """
    a = _train(times_a, "van_rossum.times_a")
    b = _train(times_b, "van_rossum.times_b")
    tau = positive(tau, "van_rossum.tau", "ms")
    return _van_rossum(a, b, tau)


@jax.jit  # or each call would compile its scan anew
def _van_rossum(a: Array, b: Array, tau: Array) -> Array:
    times = jnp.append(jnp.concatenate([a, b]), jnp.nan)  # one more, so that none is empty
    sign = jnp.where(jnp.arange(len(times)) < len(a), 1.0, -1.0) * ~jnp.isnan(times)
    order = jnp.argsort(times)  # NaN last
    gap = jnp.diff(times[order])
    gap = jnp.append(jnp.where(jnp.isnan(gap), 0, gap), 0) / tau  # padding adds no time
    sign = sign[order].astype(gap.dtype)

    def spike(f, x):
        sign, gap = x
        f = f + sign
        after = f * jnp.exp(-gap)
        return after, -0.5 * f**2 * jnp.expm1(-2 * gap)  # integral up to the next spike

    f, parts = jax.lax.scan(spike, jnp.zeros((), gap.dtype), (sign, gap))
    return _sqrt(parts.sum() + 0.5 * f**2)


def victor_purpura(
    times_a: Float[ArrayLike, "a"],
    times_b: Float[ArrayLike, "b"],
    cost: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    """Distance of Victor and Purpura: the cheapest way to edit one train into the other.

    `times_a`, `times_b`: ms, NaN for no spike. `cost`: 1/ms, at least 0; moving a spike by
    s ms costs `cost * |s|`, adding or removing one costs 1, which is what 1 means. At
    `cost` 0 it is the difference of the spike counts; when large, the number of spikes that
    do not coincide. A train and an empty one are its spike count apart. A metric for `cost`
    above 0.

    O(a b) by dynamic programming, one row at a time (Victor & Purpura 1996, J.
    Neurophysiol. 76:1310).
    """
    a = _train(times_a, "victor_purpura.times_a")
    b = _train(times_b, "victor_purpura.times_b")
    cost = at_least(cost, 0, "victor_purpura.cost", "per ms")
    return _victor_purpura(a, b, cost)


@jax.jit
def _victor_purpura(a: Array, b: Array, cost: Array) -> Array:
    a, b = jnp.sort(a), jnp.sort(b)  # NaN last
    n_b = jnp.sum(~jnp.isnan(b))
    b = jnp.where(jnp.isnan(b), 0, b)  # behind the last spike, where no result is read
    column = jnp.arange(len(b) + 1, dtype=jnp.result_type(a, b, cost))

    def take_spike(row: Array, t: Array):
        real = ~jnp.isnan(t)
        t = jnp.where(real, t, 0)
        moved = row[:-1] + cost * jnp.abs(t - b)
        best = jnp.append(row[0] + 1, jnp.minimum(row[1:] + 1, moved))
        # Adding spikes of b goes from left to right: min over k <= j of best[k] + (j - k).
        best = column + jax.lax.cummin(best - column)
        return jnp.where(real, best, row), None

    row, _ = jax.lax.scan(take_spike, column, a)
    return row[n_b]


def schreiber(
    times_a: Float[ArrayLike, "a"],
    times_b: Float[ArrayLike, "b"],
    sigma: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    r"""Similarity of Schreiber et al.: the correlation of Gaussian-filtered trains.

    $$R = \langle s_a, s_b \rangle /
    \sqrt{\langle s_a, s_a \rangle \langle s_b, s_b \rangle},
    \quad s(t) = \sum_k e^{-(t - t_k)^2 / 2 \sigma^2}$$

    `times_a`, `times_b`: ms, NaN for no spike. `sigma`: ms, above 0. Between 0 and 1; 1 for
    equal trains, $e^{-s^2 / 4 \sigma^2}$ for a single spike shifted by s. Two empty trains:
    1; one empty train: 0. Exact, in O(a b) (Schreiber et al. 2003, Neurocomputing 52:925).
    """
    a = _train(times_a, "schreiber.times_a")
    b = _train(times_b, "schreiber.times_b")
    sigma = positive(sigma, "schreiber.sigma", "ms")
    return _schreiber(a, b, sigma)


@jax.jit
def _schreiber(a: Array, b: Array, sigma: Array) -> Array:
    kernel = lambda s: jnp.exp(-((s / (2 * sigma)) ** 2))
    aa, bb, ab = (_inner(x, y, kernel) for x, y in ((a, a), (b, b), (a, b)))
    full = (aa > 0) & (bb > 0)
    r = ab / jnp.sqrt(jnp.where(full, aa * bb, 1))
    return jnp.where(full, r, jnp.where((aa > 0) | (bb > 0), 0, 1))


def spike_train_inner_product(
    times_a: Float[ArrayLike, "a"],
    times_b: Float[ArrayLike, "b"],
    kernel: Callable[[Float[Array, "a b"]], Float[Array, "a b"]],
) -> Float[Array, ""]:
    r"""Inner product of two spike trains that a kernel of time differences defines.

    $$\langle s_a, s_b \rangle = \sum_m \sum_n \kappa(t_m - t_n)$$

    `times_a`, `times_b`: ms, NaN for no spike. `kernel`: function of an array of
    differences in ms; symmetric and positive definite if the result is to be an inner
    product, as `lambda s: jnp.exp(-jnp.abs(s) / tau)`. An empty train gives 0. O(a b) in
    time and memory (Paiva, Park & Principe 2009, Neural Comput. 21:424).
    """
    a = _train(times_a, "spike_train_inner_product.times_a")
    b = _train(times_b, "spike_train_inner_product.times_b")
    return _inner(a, b, kernel)


def _inner(a: Array, b: Array, kernel: Callable[[Array], Array]) -> Array:
    lag = a[:, None] - b[None, :]
    real = ~jnp.isnan(lag)
    return jnp.where(real, kernel(jnp.where(real, lag, 0)), 0).sum()


def _sqrt(x: Array) -> Array:
    """Square root with a gradient of 0 at 0, so that equal trains do not give NaN."""
    above = x > 0
    return jnp.where(above, jnp.sqrt(jnp.where(above, x, 1)), 0)


def _train(times: ArrayLike, name: str) -> Array:
    times = as_float(times)
    if times.ndim != 1:
        raise ValueError(
            f"{name} must be the times of one train [n] in ms, got shape {times.shape}. "
            "Use jax.vmap for several."
        )
    if not is_traced(times) and np.isinf(times).any():
        raise ValueError(f"{name} must be finite in ms, or NaN for no spike, got {times}.")
    return times
