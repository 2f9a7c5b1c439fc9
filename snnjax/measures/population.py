"""Statistics of a population: from its spikes as events, from counts, from its voltages.

Events are two arrays of one length, `times` in ms (the end of the spike's step) and
`indices` of the neurons, in any order, as from `Events`; an entry whose time is NaN is no
spike. Bins hold their right end, so that a spike at the end of a step counts to that step.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Shaped

from snnjax.core.checks import above, at_least, count, finite, positive, whole_steps
from snnjax.measures.intervals import ISIStatistics
from snnjax.measures.spike_trains import fano_factor, power_spectrum


def event_counts(
    times: Float[ArrayLike, "events"],
    indices: Int[ArrayLike, "events"],
    n: int,
    bin_width: float,
    *,
    start: float = 0.0,
    stop: float,
) -> Float[Array, "bins n"]:
    """Spikes of each of `n` neurons in consecutive bins from `start` to `stop`.

    `bin_width`, `start`, `stop`: ms, concrete; `bin_width` must divide the span. Bin k holds
    the spikes in (start + k bin_width, start + (k + 1) bin_width], with a thousandth of a
    bin of slack for rounded times. What the raster gives through `spike_counts`.
    """
    times, indices = _events(times, indices, "event_counts")
    n = count(n, "event_counts.n")
    positive(bin_width, "event_counts.bin_width", "ms")
    above(stop, float(start), "event_counts.stop", "ms")
    bins = whole_steps(float(stop) - float(start), bin_width, "event_counts: stop - start")
    place = jnp.ceil((times - start) / bin_width - 1e-3) - 1
    used = (place >= 0) & (place < bins) & (indices >= 0)  # False for NaN
    place = jnp.where(used, place, bins).astype(jnp.int32)  # out of range: dropped
    empty = jnp.zeros((bins, n), times.dtype)
    return empty.at[place, jnp.where(used, indices, 0)].add(1, mode="drop")


def event_isi_statistics(
    times: Float[ArrayLike, "events"], indices: Int[ArrayLike, "events"], n: int
) -> ISIStatistics:
    """Mean interval, CV and CV2 of each of `n` neurons, from events; see `isi_statistics`.

    Equal to `cv(isi(...))` and `cv2(isi(...))` of each train, all trains at once.
    """
    times, indices = _events(times, indices, "event_isi_statistics")
    n = count(n, "event_isi_statistics.n")
    return _event_isi(times, jnp.where(jnp.isnan(times), -1, indices), n)


@partial(jax.jit, static_argnums=2)  # jax 0.8 has no other form
def _event_isi(times: Array, indices: Array, n: int) -> ISIStatistics:
    order = jnp.lexsort((times, indices))
    t, who = times[order], indices[order]
    total = lambda x, of: jnp.zeros(n, times.dtype).at[of].add(x, mode="drop")
    within = lambda a, b: jnp.where((a == b) & (a >= 0), a, n)  # n: dropped
    interval, of = jnp.diff(t), within(who[:-1], who[1:])
    interval = jnp.where(of < n, interval, 0)
    number = total(1, of)
    mean = total(interval, of) / jnp.maximum(number, 1)
    deviation = interval - mean.at[of].get(mode="fill", fill_value=0)
    variance = total(deviation**2, of) / jnp.maximum(number, 1)
    a, b, pair = interval[:-1], interval[1:], within(of[:-1], of[1:])
    local = total(2 * jnp.abs(b - a) / jnp.where(a + b > 0, a + b, 1), pair)
    several = number > 1
    return ISIStatistics(
        n=number.astype(jnp.int32),
        mean=jnp.where(number > 0, mean, jnp.nan),
        cv=jnp.where(several, jnp.sqrt(variance) / jnp.where(several, mean, 1), jnp.nan),
        cv2=jnp.where(several, local / jnp.maximum(number - 1, 1), jnp.nan),
    )


def pairwise_correlation(counts: Shaped[ArrayLike, "bins n"]) -> Float[Array, ""]:
    r"""Correlation coefficient of spike counts, mean over all pairs of neurons.

    $$\bar\rho = \frac{\langle (\sum_i z_i)^2 \rangle - m}{m (m - 1)}$$

    with $z_i$ the counts of neuron i, less their mean and over their standard deviation. So
    it takes all pairs in the time of one pass, and no subset need be drawn. Neurons whose
    count never changes have no correlation and are left out, which leaves m; NaN if m < 2.

    `counts`: as from `event_counts` or `spike_counts`; the wider the bins, the slower the
    correlations that are seen (Cohen & Kohn 2011, Nat. Neurosci. 14:811).
    """
    counts = finite(counts, "pairwise_correlation.counts")
    if counts.ndim != 2:
        raise ValueError(
            f"pairwise_correlation.counts must be [bins, n], got shape {counts.shape}."
        )
    centred = counts - counts.mean(0)
    variance = (centred**2).mean(0)
    varies = variance > 0
    z = jnp.where(varies, centred / jnp.sqrt(jnp.where(varies, variance, 1)), 0)
    m = varies.sum()
    mean = ((z.sum(1) ** 2).mean() - m) / jnp.where(m > 1, m * (m - 1), 1)
    return jnp.where(m > 1, mean, jnp.nan)


def cross_correlogram(
    times_a: Float[ArrayLike, "a"],
    times_b: Float[ArrayLike, "b"],
    bin_width: float,
    window: float,
) -> tuple[Float[Array, "lags"], Float[Array, "lags"]]:
    """(lags in ms, rate of b in Hz at that lag after a spike of a).

    For independent trains it is the rate of b at all lags; of a train with itself, the peak
    at 0 holds each spike once. `times_a`, `times_b`: ms in any order, NaN is no spike.
    `bin_width`, `window`: ms, concrete; lags are the multiples of `bin_width` up to `window`
    on both sides, each the centre of its bin. With times on a grid, take an odd number of
    its steps as `bin_width`, so that no lag falls between two bins (Perkel, Gerstein & Moore
    1967, Biophys. J. 7:419).
    """
    a = _train(times_a, "cross_correlogram.times_a")
    b = _train(times_b, "cross_correlogram.times_b")
    positive(bin_width, "cross_correlogram.bin_width", "ms")
    positive(window, "cross_correlogram.window", "ms")
    half = whole_steps(window, bin_width, "cross_correlogram.window")
    edges = (jnp.arange(-half, half + 2) - 0.5).astype(a.dtype) * bin_width
    b = jnp.sort(b)  # NaN last
    until = jax.vmap(lambda edge: jnp.searchsorted(b, a + edge, side="right"))(edges)
    spike = ~jnp.isnan(a)
    pairs = jnp.diff(jnp.where(spike, until, 0).sum(1)).astype(a.dtype)
    lags = jnp.arange(-half, half + 1).astype(a.dtype) * bin_width
    return lags, 1e3 * pairs / (spike.sum() * bin_width)


def synchrony(v: Float[ArrayLike, "T n"]) -> Float[Array, ""]:
    r"""Synchrony $\chi$ of the voltages of a population: 1 if all move as one.

    $$\chi^2 = \mathrm{var}_t(\langle v_i \rangle_i) / \langle \mathrm{var}_t(v_i) \rangle_i$$

    Asynchronous neurons give $1 / \sqrt n$, which tends to 0. `v`: mV, time first. NaN if no
    voltage moves (Golomb & Rinzel 1993, Phys. Rev. E 48:4810; Golomb 2007, Scholarpedia
    2:1347).
    """
    v = finite(v, "synchrony.v", "mV")
    if v.ndim != 2:
        raise ValueError(f"synchrony.v must be [T, n], got shape {v.shape}.")
    v = v - v.mean(0)  # or the squares of a potential far from 0 take float32's digits
    alone, together = (v**2).mean(), (v.mean(1) ** 2).mean()
    moves = together > 0
    chi = jnp.sqrt(jnp.where(moves, together, 1) / jnp.where(alone > 0, alone, 1))
    return jnp.where(alone > 0, jnp.where(moves, chi, 0), jnp.nan)


class PopulationStatistics(NamedTuple):
    """What is compared between simulations of one network; see `population_statistics`."""

    rate: float  # Hz
    cv: float  # of interspike intervals, mean over neurons; NaN if none fired enough
    correlation: float  # of spike counts, mean over pairs
    fano: float  # of the count of the whole population; 1 if independent and Poisson
    peak: float  # Hz, where the spectrum of the population rate is highest
    peak_power: float  # there, over that of independent Poisson neurons of this rate


def population_statistics(
    times: Float[ArrayLike, "events"],
    indices: Int[ArrayLike, "events"],
    n: int,
    *,
    start: float = 0.0,
    stop: float,
    bin_width: float = 5.0,
    rate_bin: float = 1.0,
    segment: float = 500.0,
    min_spikes: int = 3,
    min_frequency: float = 5.0,
) -> PopulationStatistics:
    """Rate, irregularity, synchrony and rhythm of `n` neurons between `start` and `stop`.

    - `start`, `stop`: ms; spikes in (start, stop] count.
    - `bin_width`: ms; of the counts behind `correlation` and `fano`. `rate_bin`: ms; of the
      population rate behind the spectrum, whose Hann windows are of `segment` ms (see
      `power_spectrum`) and whose peak is sought from `min_frequency` Hz on.
    - `min_spikes`: a neuron with fewer has no CV. Short windows lower the CV: compare like
      with like.

    For concrete events; a description, without gradients.
    """
    times, indices = _padded(*_events(times, indices, "population_statistics"))
    at_least(min_spikes, 3, "population_statistics.min_spikes")
    inside = (times > start + 1e-3 * rate_bin) & (times <= stop + 1e-3 * rate_bin)
    times = jnp.where(inside, times, jnp.nan)
    span = dict(start=start, stop=stop)
    counts = event_counts(times, indices, n, bin_width, **span)
    intervals = event_isi_statistics(times, indices, n)
    cvs = np.asarray(intervals.cv)[np.asarray(intervals.n) >= min_spikes - 1]
    rate = 1e3 * float(counts.sum()) / (n * (stop - start))
    everyone = jnp.zeros_like(indices)
    population = event_counts(times, everyone, 1, rate_bin, **span)[:, 0] / n
    f, power = power_spectrum(1e3 / rate_bin * population, rate_bin, segment)
    power = np.where(f >= min_frequency, power, -np.inf)
    peak = int(power.argmax())
    silent = rate == 0
    return PopulationStatistics(
        rate=rate,
        cv=float(cvs.mean()) if len(cvs) else np.nan,
        correlation=float(pairwise_correlation(counts)),
        fano=float(fano_factor(counts.sum(1))),
        peak=np.nan if silent else float(f[peak]),
        peak_power=np.nan if silent else float(power[peak] * n / (2 * rate)),
    )


def _padded(times: Array, indices: Array) -> tuple[Array, Array]:
    """More entries that are no spikes, up to a power of two: runs share what is compiled."""
    more = (0, (1 << len(times).bit_length()) - len(times))
    pad = lambda x, fill: np.pad(np.asarray(x), more, constant_values=fill)
    return jnp.asarray(pad(times, np.nan)), jnp.asarray(pad(indices, -1))


def _events(times, indices, function: str) -> tuple[Array, Array]:
    times = _train(times, f"{function}.times")
    indices = jnp.asarray(indices)
    if indices.shape != times.shape or not jnp.issubdtype(indices.dtype, jnp.integer):
        raise ValueError(
            f"{function}.indices must be whole numbers, one for each of the {len(times)} "
            f"times, got {indices.dtype}{list(indices.shape)}."
        )
    return times, indices


def _train(times, name: str) -> Array:
    times = jnp.asarray(times)
    if not jnp.issubdtype(times.dtype, jnp.inexact):
        times = times.astype(float)
    if times.ndim != 1:
        raise ValueError(f"{name} must be a list of ms, got shape {times.shape}.")
    return times
