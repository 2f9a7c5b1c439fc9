"""Statistics of spike trains: times, rates, intervals and their variability, spectra.

A raster `spikes` is time first, `[T, ...n]`, and above 0 where a neuron fired. Step i
covers [i dt, (i + 1) dt); its spike is given the time at its end, (i + 1) dt, in ms. What
has a fixed shape runs under `jit` and `vmap` and fills missing entries with NaN. What is
ragged is NumPy and says so.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Shaped

from snnjax.core.checks import at_least, finite, positive, whole_steps
from snnjax.measures.shapes import kept_steps, over_neurons, raster


def spike_times(
    spikes: Shaped[ArrayLike, "T *n"], dt: float
) -> np.ndarray | list[np.ndarray]:
    """Spike times in ms as float64; NumPy, because neurons fire unequally often.

    `spikes`: raster; any value above 0 is one spike. `dt`: step, ms. Returns one array for
    a raster `[T]`, otherwise a list with an array per neuron (the last axis runs fastest).
    """
    spikes = np.asarray(raster(spikes, "spike_times.spikes"))
    positive(dt, "spike_times.dt", "ms")
    trains = spikes.reshape(len(spikes), -1).T
    times = [(np.flatnonzero(train > 0) + 1) * float(dt) for train in trains]
    return times[0] if spikes.ndim == 1 else times


def padded_spike_times(
    spikes: Shaped[ArrayLike, "T *n"], dt: Float[ArrayLike, ""], max_spikes: int
) -> Float[Array, "max_spikes *n"]:
    """The first `max_spikes` spike times in ms, filled up with NaN to a fixed shape.

    `spikes`: raster; any value above 0 is one spike. `dt`: step, ms. A train without a NaN
    at its end may have gone on. The measures of trains and of intervals take NaN as no
    spike.
    """
    spikes = raster(spikes, "padded_spike_times.spikes")
    dt = positive(dt, "padded_spike_times.dt", "ms")
    at_least(max_spikes, 1, "padded_spike_times.max_spikes")

    def one(train):
        (index,) = jnp.nonzero(train > 0, size=max_spikes, fill_value=-1)
        return jnp.where(index < 0, jnp.nan, (index + 1) * dt)

    return over_neurons(one, spikes)


def mean_rate(
    spikes: Shaped[ArrayLike, "T *n"],
    dt: Float[ArrayLike, ""],
    discard: Float[ArrayLike, ""] = 0.0,
) -> Float[Array, "*n"]:
    """Firing rate of each neuron in Hz, after the first `discard` ms.

    `spikes`: raster; values add up, so that steps may hold several spikes or, in a relaxed
    network, a part of one. `dt`, `discard`: ms. NaN if `discard` leaves nothing.
    """
    spikes = raster(spikes, "mean_rate.spikes")
    dt = positive(dt, "mean_rate.dt", "ms")
    keep = kept_steps(spikes, dt, at_least(discard, 0, "mean_rate.discard", "ms"))
    kept = jnp.where(keep.reshape(-1, *(1,) * (spikes.ndim - 1)), spikes, 0)
    return 1e3 * kept.sum(0, dtype=jnp.result_type(kept, dt)) / (keep.sum() * dt)


def spike_counts(
    spikes: Shaped[ArrayLike, "T *n"], dt: float, window: float
) -> Float[Array, "windows *n"]:
    """Spikes in consecutive windows of `window` ms.

    `spikes`: raster; values add up. `dt`, `window`: ms, concrete; `dt` must divide
    `window`, and `window` the raster.
    """
    return _counts(spikes, dt, window, "spike_counts", "window")


def fano_factor(
    counts: Shaped[ArrayLike, "samples *n"], ddof: int = 0
) -> Float[Array, "*n"]:
    """Variance over mean of spike counts along the first axis; 1 for a Poisson process.

    `counts`: one per trial, or per window as from `spike_counts`. `ddof=1` gives the
    unbiased variance. NaN where no neuron fired (Fano 1947, Phys. Rev. 72:26).
    """
    counts = finite(counts, "fano_factor.counts")
    mean = counts.mean(0)
    silent = mean == 0
    return jnp.where(silent, jnp.nan, counts.var(0, ddof=ddof) / jnp.where(silent, 1, mean))


def psth(
    spikes: Shaped[ArrayLike, "T trials *n"], dt: float, bin_width: float
) -> Float[Array, "bins *n"]:
    """Peri-stimulus time histogram: rate in Hz over trials, in bins of `bin_width` ms.

    `spikes`: raster with the trials on its second axis (`vmap` with `out_axes=1`). With the
    neurons there instead, it is the binned population rate. `dt`, `bin_width`: ms,
    concrete; `dt` must divide `bin_width`, and `bin_width` the raster.
    """
    if jnp.ndim(spikes) < 2:
        shape = jnp.shape(spikes)
        raise ValueError(f"psth.spikes must be [T, trials, ...], got shape {shape}.")
    return _counts(spikes, dt, bin_width, "psth", "bin_width").mean(1) * (1e3 / bin_width)


def population_rate(
    spikes: Shaped[ArrayLike, "T *n"], dt: float | Array, sigma: float | None = None
) -> Float[Array, "T"]:
    """Rate of a population at each step in Hz, the mean over all axes but time.

    `spikes`: raster; values add up. `dt`: ms. `sigma`: ms; standard deviation of a Gaussian
    that smooths the rate, cut at 4 sigma and renormalised at the ends (then `dt` must be
    concrete). For bins, see `psth`.
    """
    spikes = raster(spikes, "population_rate.spikes")
    step = positive(dt, "population_rate.dt", "ms")
    dtype = jnp.result_type(spikes, step)
    rate = 1e3 / step * spikes.reshape(len(spikes), -1).mean(1, dtype=dtype)
    if sigma is None:
        return rate
    positive(sigma, "population_rate.sigma", "ms")
    width = float(sigma) / float(dt)
    half = int(np.ceil(4 * width))
    kernel = jnp.exp(-0.5 * (jnp.arange(-half, half + 1) / width) ** 2)
    # Not mode="same": its length is the kernel's when the kernel is the longer one.
    smooth = lambda x: jnp.convolve(x, kernel)[half : half + len(x)]
    return smooth(rate) / smooth(jnp.ones_like(rate))


def power_spectrum(
    rate: Shaped[ArrayLike, "T *n"], dt: float, segment: float = 1000.0
) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density of a rate by Welch's method; NumPy, through `scipy.signal`.

    `rate`: Hz, one value per step. `dt`: step, ms. `segment`: ms; length of the half
    overlapping Hann windows, at most that of `rate`, so that 1000 ms resolve 1 Hz. The mean
    of each segment is removed. Returns frequencies in Hz and one-sided power in Hz^2/Hz,
    whose integral is the variance (Welch 1967, IEEE Trans. Audio Electroacoust. 15:70).
    """
    from scipy.signal import welch

    rate = np.asarray(finite(rate, "power_spectrum.rate", "Hz"))
    positive(dt, "power_spectrum.dt", "ms")
    positive(segment, "power_spectrum.segment", "ms")
    samples = min(len(rate), max(1, round(float(segment) / float(dt))))
    return welch(rate, fs=1e3 / float(dt), nperseg=samples, axis=0)


def _counts(spikes, dt, window, function, argument):
    spikes = raster(spikes, f"{function}.spikes")
    positive(dt, f"{function}.dt", "ms")
    positive(window, f"{function}.{argument}", "ms")
    window, dt = float(window), float(dt)
    steps = whole_steps(window, dt, f"{function}.{argument}")
    if steps == 0 or len(spikes) % steps:
        raise ValueError(
            f"{function}.{argument}={window:g} ms is {steps} steps of {dt:g} ms, which "
            f"must divide the {len(spikes)} steps of spikes. Cut the raster to fit."
        )
    folded = spikes.reshape(-1, steps, *spikes.shape[1:])
    return folded.sum(1, dtype=jnp.zeros(()).dtype)
