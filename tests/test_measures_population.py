import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from snnjax import measures as ms


@pytest.fixture(scope="module")
def raster():
    """Two seconds at 0.1 ms of 30 neurons whose rates rise and fall together."""
    t = np.arange(20_000) * 0.1
    rate = 25.0 * (1 + 0.8 * np.sin(2 * np.pi * t / 40.0))  # Hz, at 25 Hz
    spikes = np.random.default_rng(0).random((20_000, 30)) < 1e-4 * rate[:, None]
    spikes[:, 7] = False
    return spikes


@pytest.fixture(scope="module")
def events(raster):
    """The same spikes as events in no order, and three that are none."""
    step, indices = np.nonzero(raster)
    times = np.append((step + 1) * 0.1, [np.nan] * 3)
    order = np.random.default_rng(1).permutation(len(times))
    return times[order], np.append(indices, [-1, 4, 29])[order]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_of_events_are_those_of_the_raster(raster, events, dtype):
    times, indices = events
    times = times.astype(dtype)
    counts = ms.event_counts(times, indices, 30, 5.0, stop=2000.0)
    assert counts.dtype == dtype
    assert_array_equal(counts, ms.spike_counts(raster, 0.1, 5.0))
    part = ms.event_counts(times, indices, 30, 0.1, start=200.0, stop=700.0)
    assert_array_equal(part, raster[2000:7000])
    jitted = jax.jit(lambda t, i: ms.event_counts(t, i, 30, 5.0, stop=2000.0))
    assert_array_equal(jitted(times, indices), counts)


def test_a_spike_at_the_edge_of_two_bins_counts_to_the_one_that_ends():
    counts = ms.event_counts([0.0, 5.0, 5.1, 10.0, 10.1], [0] * 5, 1, 5.0, stop=10.0)
    assert_array_equal(counts, [[1], [2]])


def test_intervals_of_events_are_those_of_each_train(raster, events):
    times, indices = events
    found = ms.event_isi_statistics(times, indices, 31)  # the last one never fires
    assert_array_equal(found.n[:30], np.maximum(raster.sum(0).astype(int) - 1, 0))
    trains = ms.spike_times(raster, 0.1)
    for i, train in enumerate([*trains, np.array([])]):
        intervals = np.diff(train)
        if len(intervals) < 2:
            assert np.isnan(found.cv[i]) and np.isnan(found.cv2[i])
            continue
        assert_allclose(found.mean[i], intervals.mean(), rtol=1e-12)
        assert_allclose(found.cv[i], intervals.std() / intervals.mean(), rtol=1e-12)
        local = 2 * abs(np.diff(intervals)) / (intervals[1:] + intervals[:-1])
        assert_allclose(found.cv2[i], local.mean(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pairwise_correlation_is_the_mean_over_all_pairs(raster, dtype):
    counts = np.asarray(ms.spike_counts(raster, 0.1, 5.0), dtype)
    fired = counts.std(0) > 0
    matrix = np.corrcoef(counts[:, fired].T.astype(float))
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    mean = jax.jit(ms.pairwise_correlation)(counts)
    assert mean.dtype == dtype
    assert_allclose(mean, pairs.mean(), rtol=1e-4 if dtype == np.float32 else 1e-12)
    assert fired.sum() == 29 and pairs.mean() > 0.02


def test_pairwise_correlation_at_its_ends():
    x = np.random.default_rng(2).poisson(2.0, 100)
    assert_allclose(ms.pairwise_correlation(np.stack([x, x, x], 1)), 1)
    assert_allclose(ms.pairwise_correlation(np.stack([x, -x], 1)), -1)
    assert np.isnan(ms.pairwise_correlation(np.stack([x, 0 * x], 1)))
    independent = np.random.default_rng(3).poisson(1.0, (400, 300))
    # 44,850 nearly independent pairs, each of standard deviation 1 / sqrt(400)
    assert abs(ms.pairwise_correlation(independent)) < 5 * 0.05 / np.sqrt(44_850)
    slope = jax.grad(ms.pairwise_correlation)(jnp.asarray(np.stack([x, 0 * x, x], 1) + 0.0))
    assert np.isfinite(slope).all()


def test_cross_correlogram_counts_pairs():
    rng = np.random.default_rng(4)
    a, b = rng.uniform(0, 500, 60), np.append(rng.uniform(0, 500, 80), np.nan)
    lags, rate = jax.jit(ms.cross_correlogram, static_argnums=(2, 3))(a, b, 3.0, 21.0)
    assert_array_equal(lags, np.arange(-7, 8) * 3.0)
    difference = (b[None, :-1] - a[:, None]).ravel()
    for lag, found in zip(lags, rate, strict=True):
        pairs = ((difference > lag - 1.5) & (difference <= lag + 1.5)).sum()
        assert_allclose(found, 1e3 * pairs / (60 * 3.0))
    assert_array_equal(ms.cross_correlogram([0.0], [1.5], 3.0, 3.0)[1] > 0, [0, 1, 0])
    padded = np.append(a, [np.nan, np.nan])
    assert_allclose(ms.cross_correlogram(padded, b, 3.0, 21.0)[1], rate)


def test_cross_correlogram_finds_a_delay_on_the_grid():
    a = np.cumsum(np.random.default_rng(5).integers(200, 400, 300)) * 0.1
    lags, rate = ms.cross_correlogram(a, a + 3.0, 0.3, 9.0)
    assert lags[rate.argmax()] == pytest.approx(3.0)
    assert_allclose(rate.max(), 1e3 / 0.3)
    assert np.count_nonzero(rate) == 1


def test_cross_correlogram_of_independent_trains_is_flat():
    rng = np.random.default_rng(6)
    a, b = np.sort(rng.uniform(0, 100_000, (2, 4000)))  # 40 Hz
    _, rate = ms.cross_correlogram(a, b, 5.0, 50.0)
    se = 40.0 / np.sqrt(4000 * 0.04 * 5.0)  # 800 pairs a bin
    assert np.all(abs(rate - 40.0) < 5 * se)


def test_synchrony_between_its_limits():
    rng = np.random.default_rng(7)
    common, own = rng.normal(size=(4000, 1)), rng.normal(size=(4000, 100))
    assert_allclose(ms.synchrony(-60 + np.repeat(common, 9, 1)), 1)
    assert_allclose(ms.synchrony(own - 60), 0.1, rtol=0.1)  # 1 / sqrt(100)
    v = 2 * common + own
    by_hand = np.sqrt(v.mean(1).var() / v.var(0).mean())
    assert_allclose(ms.synchrony(v), by_hand, rtol=1e-12)
    with jax.enable_x64(False):
        assert_allclose(ms.synchrony(jnp.float32(v - 60)), by_hand, rtol=1e-4)
    assert np.isnan(ms.synchrony(np.full((10, 3), -65.0)))
    assert_allclose(ms.synchrony([[1.0, -1.0], [-1.0, 1.0]]), 0)
    assert np.isfinite(jax.grad(ms.synchrony)(jnp.array([[1.0, -1.0], [-1.0, 1.0]]))).all()


def test_statistics_of_a_population_are_those_of_its_parts(raster, events):
    found = ms.population_statistics(*events, 30, start=500.0, stop=2000.0)
    kept = raster[5000:]
    assert_allclose(found.rate, kept.sum() / 30 / 1.5)
    counts = ms.spike_counts(kept, 0.1, 5.0)
    assert_allclose(found.correlation, ms.pairwise_correlation(counts))
    assert_allclose(found.fano, ms.fano_factor(counts.sum(1)))
    cvs = [ms.cv(ms.isi(t)) for t in ms.spike_times(kept, 0.1) if len(t) >= 3]
    assert_allclose(found.cv, np.mean(cvs))
    assert found.peak == pytest.approx(25.0, abs=1.0)  # the rhythm of the raster
    assert found.peak_power > 5


def test_independent_poisson_neurons_have_power_one():
    spikes = np.random.default_rng(8).random((100_000, 50)) < 0.003
    step, indices = np.nonzero(spikes)
    found = ms.population_statistics(step + 1.0, indices, 50, stop=100_000.0, segment=50.0)
    # 4000 half overlapping windows leave 2 % of scatter in each of 25 bins.
    assert found.peak_power == pytest.approx(1.0, abs=0.1)
    assert found.fano == pytest.approx(1.0, abs=0.05)
    assert found.cv == pytest.approx(1.0, abs=0.02)


def test_a_silent_population_has_no_statistics():
    found = ms.population_statistics(np.array([np.nan]), np.array([0]), 3, stop=1000.0)
    assert found.rate == 0
    assert np.isnan(found[1:]).all()


TIMES, INDICES = [1.0, 2.0], [0, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ms.event_counts(TIMES, [0], 2, 1.0, stop=9.0), "indices .* the 2 times"),
        (lambda: ms.event_counts(TIMES, TIMES, 2, 1.0, stop=9.0), "whole numbers"),
        (lambda: ms.event_counts(TIMES, INDICES, 0, 1.0, stop=9.0), r"event_counts\.n"),
        (lambda: ms.event_counts(TIMES, INDICES, 2, 0.0, stop=9.0), "bin_width .* 0 ms"),
        (lambda: ms.event_counts(TIMES, INDICES, 2, 2.0, stop=9.0), "steps of 2 ms"),
        (lambda: ms.event_counts(TIMES, INDICES, 2, 1.0, stop=-1.0), r"stop must be above"),
        (lambda: ms.event_counts([TIMES], INDICES, 2, 1.0, stop=9.0), "list of ms"),
        (lambda: ms.event_isi_statistics(TIMES, INDICES, 1.5), "n must be a whole number"),
        (lambda: ms.pairwise_correlation(TIMES), r"counts must be \[bins, n\]"),
        (lambda: ms.synchrony(TIMES), r"synchrony.v must be \[T, n\]"),
        (lambda: ms.synchrony([[np.nan]]), "synchrony.v must be finite in mV"),
        (lambda: ms.cross_correlogram(TIMES, TIMES, -1.0, 5.0), "bin_width must be above"),
        (lambda: ms.cross_correlogram(TIMES, TIMES, 2.0, 5.0), "window=5 ms"),
        (
            lambda: ms.population_statistics(TIMES, INDICES, 2, stop=9.0, min_spikes=2),
            "min_spikes must be at least 3",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
