import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from snnjax import measures as ms


@pytest.fixture(scope="module")
def poisson():
    """A Bernoulli raster at 20 Hz and 0.1 ms: 15 s of 8 neurons, about 300 spikes each."""
    return np.random.default_rng(1).random((150_000, 8)) < 0.002


def regular(period, steps=1000, first=0):
    spikes = np.zeros(steps)
    spikes[first::period] = 1.0
    return spikes


def test_spike_times_are_the_ends_of_steps():
    assert_array_equal(ms.spike_times([1, 0, 0, 1], 0.25), [0.25, 1.0])
    a, b, c, d = ms.spike_times(jnp.eye(4, dtype=bool).reshape(4, 2, 2), 0.5)
    assert (a, b, c, d) == (0.5, 1.0, 1.5, 2.0)
    silent, once = ms.spike_times(np.array([[0.0, 0.0], [0.0, 2.0]]), 1.0)
    assert len(silent) == 0
    assert_array_equal(once, [2.0])


def test_padded_spike_times_are_the_spike_times():
    spikes = np.random.default_rng(0).random((50, 2, 3)) < 0.2
    padded = jax.jit(ms.padded_spike_times, static_argnums=2)(spikes, 0.1, 30)
    assert padded.shape == (30, 2, 3)
    for column, times in zip(
        padded.reshape(30, -1).T, ms.spike_times(spikes, 0.1), strict=True
    ):
        assert_allclose(column[: len(times)], times)
        assert np.isnan(column[len(times) :]).all()
    assert_array_equal(ms.padded_spike_times(spikes, 0.1, 2), padded[:2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool, np.int8])
def test_mean_rate(dtype):
    spikes = regular(100, first=99).astype(dtype)  # every 10 ms, at 10, 20, ..., 100 ms
    rate = ms.mean_rate(spikes, 0.1)
    assert_allclose(rate, 100.0, rtol=1e-6)
    assert_allclose(ms.mean_rate(spikes, 0.1, discard=50.0), 100.0, rtol=1e-6)
    assert_allclose(ms.mean_rate(spikes, 0.1, discard=90.1), 1e3 / 9.9, rtol=1e-6)
    assert np.isnan(ms.mean_rate(spikes, 0.1, discard=100.0))


def test_rates_stay_in_float32():
    with jax.enable_x64(False):
        spikes = jnp.asarray(regular(10))
        for dtype in (jnp.float32, bool, jnp.int8):
            assert ms.mean_rate(spikes.astype(dtype), 0.1).dtype == jnp.float32
            assert ms.population_rate(spikes.astype(dtype), 0.1, 2.0).dtype == jnp.float32
            assert ms.psth(spikes.astype(dtype)[:, None], 0.1, 1.0).dtype == jnp.float32


def test_mean_rate_adds_values_and_has_their_gradient():
    spikes = jnp.array([[0.0, 0.5], [1.0, 0.0], [2.0, 0.0], [0.0, 0.25]])
    assert_allclose(ms.mean_rate(spikes, 1.0), [750.0, 187.5])
    grad = jax.jacrev(lambda s: ms.mean_rate(s, 1.0, discard=1.0))(spikes)
    assert_allclose(grad[0, :, 0], np.array([0, 1, 1, 1]) * 1e3 / 3)
    assert_array_equal(grad[0, :, 1], 0)


def test_discard_is_rounded_to_steps_in_float32_too():
    spikes = jnp.ones(20_000, jnp.float32)
    dt = jnp.float32(0.01)
    rate = jax.jit(ms.mean_rate)
    for k in range(1, 20_000, 1999):  # k steps are left out, whichever way k * dt rounds
        late = spikes.at[:k].set(0)
        assert_allclose(rate(late, dt, discard=jnp.float32(k) * dt), 1e5, rtol=1e-5)


def test_intervals_of_a_regular_train():
    times = ms.spike_times(regular(25), 0.1)
    assert_allclose(ms.isi(times), 2.5)
    assert ms.cv(ms.isi(times)) == pytest.approx(0, abs=1e-13)
    assert ms.cv2(ms.isi(times)) == pytest.approx(0, abs=1e-13)
    assert_allclose(ms.isi(times[::-1]), 2.5)


def test_cv2_ignores_a_change_of_rate_that_cv_sees():
    intervals = np.repeat([2.0, 8.0], 50)
    assert_allclose(ms.cv(intervals), 3.0 / 5.0)
    assert_allclose(ms.cv2(intervals), 2 * 6.0 / 10.0 / 99)


@pytest.mark.parametrize("few", [[], [5.0], [np.nan, np.nan], [np.nan, 5.0]])
def test_cv_of_fewer_than_two_intervals_is_nan(few):
    for f in (ms.cv, ms.cv2):
        assert np.isnan(f(np.array(few)))
        assert np.isnan(jax.jit(f)(jnp.array(few)))


def test_intervals_with_padding_under_jit_and_vmap():
    times = np.random.default_rng(2).exponential(10.0, (40, 3)).cumsum(0)
    padded = jnp.concatenate([times, jnp.full((7, 3), jnp.nan)])
    moved = np.random.default_rng(3).normal(size=times.shape)
    for f in (lambda t: ms.cv(ms.isi(t)), lambda t: ms.cv2(ms.isi(t))):
        expected = f(times)
        assert isinstance(expected, np.ndarray)
        assert_allclose(jax.jit(f)(padded), expected, rtol=1e-12)
        assert_allclose(jax.jit(jax.vmap(f, 1))(padded), expected, rtol=1e-12)
        push = lambda eps, f=f: f(padded.at[:40].add(eps * moved)).sum()
        difference = (f(times + 1e-6 * moved) - f(times - 1e-6 * moved)).sum() / 2e-6
        assert_allclose(jax.jit(jax.jacrev(push))(0.0), difference, rtol=1e-6)
    regular_train = jnp.arange(5.0)
    assert np.isfinite(jax.grad(lambda t: ms.cv(ms.isi(t)))(regular_train)).all()


def test_cv_of_a_gamma_renewal_process_is_one_over_root_k():
    rng = np.random.default_rng(3)
    n = 20_000
    for k in (1, 2, 4, 16):
        cv = ms.cv(rng.gamma(k, 10.0 / k, n))
        # Standard error of a CV by the delta method, excess kurtosis 6/k, skew 2/sqrt(k).
        cv2 = 1 / k
        se = np.sqrt(cv2 * ((2 + 6 / k) / 4 + cv2 - cv2**0.5 * 2 / np.sqrt(k)) / n)
        assert abs(cv - k**-0.5) < 4 * se  # wrong by chance once in 16,000


def test_poisson_has_cv_and_fano_one(poisson):
    n = poisson.sum()
    statistics = ms.isi_statistics(poisson, 0.1)
    # Bernoulli steps: CV = sqrt(1 - p), Fano = 1 - p, with p = 0.002. Error of the mean CV
    # 1/sqrt(n) and of the Fano factor sqrt(2/windows): 4 of each.
    assert abs(statistics.cv.mean() - np.sqrt(0.998)) < 4 / np.sqrt(n)
    assert abs(statistics.cv2.mean() - 1) < 4 / np.sqrt(n)
    counts = ms.spike_counts(poisson, 0.1, 100.0)
    assert counts.shape == (150, 8)
    assert counts.sum() == n
    assert abs(ms.fano_factor(counts).mean() - 0.998) < 4 * np.sqrt(2 / 1200)
    assert abs(ms.mean_rate(poisson, 0.1).mean() - 20.0) < 4 * 20.0 / np.sqrt(n)


def test_refractoriness_makes_the_train_more_regular():
    rate, dead, n = 0.1, 5.0, 50_000  # 1/ms and ms: CV = 1 / (1 + rate dead) = 2/3
    intervals = dead + np.random.default_rng(4).exponential(1 / rate, n)
    assert abs(ms.cv(intervals) - 2 / 3) < 4 * (2 / 3) / np.sqrt(n)
    times = intervals.cumsum()
    counts = np.histogram(times, np.arange(0.0, times[-1], 500.0))[0]
    # Asymptotic Fano factor CV^2 = 4/9; a window of 500 ms adds 1/500 ms of end effects.
    assert abs(ms.fano_factor(counts) - 4 / 9) < 4 * 4 / 9 * np.sqrt(2 / len(counts)) + 0.01


def test_one_pass_statistics_are_those_of_the_times(poisson):
    spikes = poisson[:50_000].reshape(50_000, 4, 2)
    statistics = jax.jit(ms.isi_statistics)(spikes, 0.1, 1000.0)
    trains = [t[t > 1000.0] for t in ms.spike_times(spikes, 0.1)]
    for name, f in (("n", len), ("mean", np.mean), ("cv", ms.cv), ("cv2", ms.cv2)):
        expected = np.reshape([f(ms.isi(t)) for t in trains], (4, 2))
        assert_allclose(getattr(statistics, name), expected, rtol=1e-12)


def test_one_pass_statistics_keep_their_digits_in_float32():
    period = np.random.default_rng(5).normal(1000.0, 1.0, 390).round().astype(int)
    spikes = np.zeros(400_000, bool)
    spikes[period.cumsum()] = True
    expected = ms.cv(ms.isi(ms.spike_times(spikes, 0.1)))
    with jax.enable_x64(False):
        statistics = ms.isi_statistics(spikes, 0.1)
        assert statistics.cv.dtype == np.float32
        assert_allclose(statistics.cv, expected, rtol=1e-4)
        assert_allclose(statistics.mean, period[1:].mean() / 10, rtol=1e-5)


def test_one_pass_statistics_of_few_spikes():
    spikes = np.zeros((10, 4))
    spikes[3, 1:] = spikes[5, 2:] = spikes[9, 3:] = 1
    n, mean, cv, cv2 = ms.isi_statistics(spikes, 1.0)
    assert_array_equal(n, [0, 0, 1, 2])
    assert_array_equal(mean, [np.nan, np.nan, 2, 3])
    assert_array_equal(cv, [np.nan, np.nan, np.nan, 1 / 3])
    assert_array_equal(cv2, [np.nan, np.nan, np.nan, 2 * 2 / 6])


def test_one_pass_statistics_do_not_depend_on_vmap_or_chunks(poisson):
    spikes = jnp.asarray(poisson[:5000])
    whole = ms.isi_statistics(spikes, 0.1)
    batched = jax.jit(jax.vmap(lambda s: ms.isi_statistics(s, 0.1), 1))(spikes)
    run = jax.jit(
        lambda s, x: jax.lax.scan(lambda s, x: (ms.update_isi(s, x), None), s, x)[0]
    )
    state = ms.running_isi((8,))
    for chunk in spikes.reshape(10, 500, 8):
        state = run(state, chunk)
    for a, b, c in zip(whole, batched, ms.finish_isi(state, 0.1), strict=True):
        assert_array_equal(a, b)
        assert_array_equal(a, c)


def test_fano_factor_by_hand():
    assert_allclose(ms.fano_factor([1, 2, 3, 6]), 3.5 / 3.0)
    assert_allclose(ms.fano_factor([1, 2, 3, 6], ddof=1), 14.0 / 3.0 / 3.0)
    counts = jnp.array([[0.0, 4.0], [0.0, 4.0]])
    assert_array_equal(ms.fano_factor(counts), [np.nan, 0.0])
    assert np.isfinite(jax.grad(lambda n: jnp.nansum(ms.fano_factor(n)))(counts)).all()


def test_psth_follows_the_rate():
    t = (np.arange(1000) + 0.5) * 0.1
    rate = 100.0 * (1 + np.sin(2 * np.pi * t / 100.0))  # Hz
    trials = 5000
    spikes = np.random.default_rng(6).random((1000, trials)) < (rate * 1e-4)[:, None]
    histogram = ms.psth(spikes, 0.1, 10.0)
    expected = rate.reshape(10, 100).mean(1)
    se = np.sqrt(expected / 10e-3 / trials)  # of a Poisson count, in Hz
    assert np.all(np.abs(histogram - expected) < 5 * se + 1e-9)
    assert ms.psth(spikes[:, :6].reshape(1000, 3, 2), 0.1, 10.0).shape == (10, 2)


def test_population_rate_and_its_smoothing():
    spikes = np.zeros((400, 2, 5))
    spikes[200, 0, 0] = 1
    assert_allclose(ms.population_rate(spikes, 0.5)[200], 1 / 10 / 0.5e-3)
    smooth = ms.population_rate(spikes, 0.5, sigma=4.0)
    t = (np.arange(400) - 200) * 0.5
    gauss = 100.0 * np.exp(-0.5 * (t / 4.0) ** 2) / (4.0 * np.sqrt(2 * np.pi))
    inside = np.abs(t) < 15
    assert_allclose(smooth[inside], gauss[inside], rtol=1e-3)
    assert_allclose(smooth.sum() * 0.5e-3, 0.1)
    constant = ms.population_rate(
        np.ones((30, 2)), 1.0, sigma=20.0
    )  # longer than the raster
    assert_allclose(constant, 1000.0)
    jitted = jax.jit(lambda s: ms.population_rate(s, 0.5, sigma=4.0))(spikes)
    assert_allclose(jitted, smooth, rtol=1e-12, atol=1e-12)


def test_power_spectrum_finds_a_rhythm_and_its_power():
    t = np.arange(20_000) * 0.5
    rate = 30.0 + 10.0 * np.sin(2 * np.pi * 40e-3 * t)
    f, power = ms.power_spectrum(rate, 0.5)
    assert f[1] == pytest.approx(1.0)
    assert f[power.argmax()] == pytest.approx(40.0)
    assert_allclose(power.sum() * f[1], 10.0**2 / 2, rtol=1e-3)
    assert ms.power_spectrum(np.ones((10, 3)), 1.0)[1].shape == (6, 3)


def test_spectrum_of_a_poisson_train_is_flat(poisson):
    rate = ms.population_rate(poisson, 0.1)
    f, power = ms.power_spectrum(rate, 0.1, segment=100.0)
    # One-sided power of a Poisson process: 2 * rate / n neurons; 299 half overlapping
    # segments leave about 8 % of scatter in each of 500 bins.
    assert_allclose(power[5:-5].mean(), 2 * float(rate.mean()) / 8, rtol=0.03)
    assert f[-1] == pytest.approx(5000.0)


ONES = np.ones(10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ms.spike_times(ONES, 0.0), "spike_times.dt must be above 0 ms, got 0"),
        (lambda: ms.spike_times(1.0, 0.1), r"spike_times.spikes must be a raster \[T"),
        (lambda: ms.padded_spike_times(ONES, -1.0, 3), "padded_spike_times.dt .* ms"),
        (lambda: ms.mean_rate(ONES * np.nan, 0.1), "mean_rate.spikes must be finite"),
        (lambda: ms.mean_rate(ONES, 0.1, -1.0), "mean_rate.discard must be at least 0 ms"),
        (lambda: ms.mean_rate(ONES, np.nan), "mean_rate.dt must be finite in ms"),
        (lambda: ms.spike_counts(ONES, 0.1, 0.25), "spike_counts.window=0.25 ms"),
        (lambda: ms.spike_counts(ONES, 0.1, 0.3), "3 steps of 0.1 ms, .* the 10 steps"),
        (lambda: ms.psth(ONES, 0.1, 0.5), r"psth.spikes must be \[T, trials"),
        (lambda: ms.psth(ONES[:, None], 0.1, 0.0), "psth.bin_width must be above 0 ms"),
        (lambda: ms.population_rate(ONES, 0.1, -1.0), "population_rate.sigma .* ms"),
        (lambda: ms.power_spectrum(ONES, 0.0), "power_spectrum.dt must be above 0 ms"),
        (
            lambda: ms.power_spectrum(ONES / 0, 1.0),
            "power_spectrum.rate must be finite in Hz",
        ),
        (lambda: ms.isi(np.inf * ONES), "isi.times must be finite in ms, or NaN"),
        (lambda: ms.cv(3.0), "cv.intervals must have a first axis"),
        (lambda: ms.cv2(jnp.array([1.0, jnp.inf])), "cv2.intervals must be finite"),
        (lambda: ms.isi_statistics(ONES, 0.0), "isi_statistics.dt must be above 0 ms"),
        (lambda: ms.isi_statistics(np.nan, 0.1), "isi_statistics.spikes must be a raster"),
        (lambda: ms.fano_factor([1.0, np.nan]), "fano_factor.counts must be finite"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
