"""Spike sources against the statistics of their point processes.

A statistic is held to four standard errors, which a right answer misses once in 16,000; the
errors are those of the law that is tested, or of independent batches.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import snnjax as snn
from snnjax import inputs
from snnjax.core.draws import Draws


def assert_mean(x, expected, var=None):
    error = np.sqrt((np.var(x) if var is None else var) / np.size(x))
    assert np.mean(x) == pytest.approx(expected, abs=4 * error)


def assert_batches(statistic, batches, expected, within):
    """`statistic` of each batch has mean `expected`, known to better than `within` of it."""
    values = np.array([statistic(x) for x in batches])
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert 4 * error < within * expected
    assert values.mean() == pytest.approx(expected, abs=4 * error)


def fano(counts):
    return np.var(counts, ddof=1) / np.mean(counts)


def cv(intervals):
    return np.std(intervals) / np.mean(intervals)


def intervals_of(raster):
    """Intervals, in steps, of a train made of all neurons of a memoryless raster."""
    return np.diff(np.flatnonzero(np.asarray(raster).T))


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_bernoulli(key, p):
    dt = 0.5
    spikes = inputs.bernoulli(p * 1000 / dt, shape=(2000,), key=key).array(dt, 1000)
    assert set(np.unique(spikes)) == {0.0, 1.0}
    assert_mean(spikes, p, p * (1 - p))
    windows = spikes.reshape(10, 100, 2000).sum(1)  # 50 ms
    assert_batches(fano, windows.reshape(40, -1), 1 - p, 0.05)
    pieces = np.array_split(intervals_of(spikes), 40)
    assert_batches(cv, pieces, np.sqrt(1 - p), 0.03)


def test_bernoulli_is_not_poisson_at_100_hz_and_1_ms(key):
    spike = lambda source: source(100.0, shape=(2000,), key=key).array(1.0, 1000)
    bernoulli, poisson = spike(inputs.bernoulli), spike(inputs.poisson)
    assert_mean(bernoulli, 0.1, 0.09)
    p = 1 - np.exp(-0.1)  # .0952, 15 standard errors less
    assert_mean(poisson, p, p * (1 - p))


def test_poisson_in_short_steps_has_cv_and_fano_factor_1(key):
    spikes = inputs.poisson(50.0, shape=(4000,), key=key).array(0.02, 2000)
    r = 50.0 * 0.02 / 1000
    assert_mean(spikes, 1 - np.exp(-r), r)
    assert_batches(fano, spikes.reshape(4, 500, 10, 400).sum(1).swapaxes(0, 1), 1, 0.1)
    assert_batches(cv, np.array_split(intervals_of(spikes), 40), 1, 0.1)


@pytest.mark.parametrize("expected", [0.01, 0.7, 2.0, 30.0])
def test_poisson_counts(key, expected):
    source = inputs.poisson(expected * 1e4, shape=(1000,), key=key, counts=True)
    n = np.asarray(source.array(0.1, 200)).ravel()
    assert_mean(n, expected, expected)
    assert_batches(fano, n.reshape(40, -1), 1, 0.05)
    for k in range(int(expected), int(expected) + 3):
        p = stats.poisson.pmf(k, expected)
        assert_mean(n == k, p, p * (1 - p))


def test_rare_events_in_float32(key):
    u = np.asarray(Draws(key, 3, (100_000,)).uniform(jnp.float32)).astype(float)
    assert 0 < u.min() < 1e-4 and u.max() < 1
    assert np.all(u[u < 1e-3] * 2**32 % 1 == 0.5)  # the full grid of 2^-32 is there
    # Both sources compare these numbers, small ones with small probabilities.
    rate_hz, dt, p = jnp.float32(30_000.0), jnp.float32(0.01), -np.expm1(-0.3)
    for counts in (False, True):
        source = inputs.poisson(rate_hz, shape=(10_000,), key=key, counts=counts)
        spikes = source(3, dt)
        assert spikes.dtype == jnp.float32
        np.testing.assert_array_equal(spikes > 0, u[:10_000] < p)


def test_inhomogeneous_rate(key):
    rate_hz = lambda t: 100 * (1 + jnp.sin(2 * jnp.pi * t / 20))
    n, dt = 5000, 0.5
    got = inputs.poisson(rate_hz, shape=(n,), key=key).array(dt, 100)
    p = 1 - np.exp(-np.asarray(rate_hz(dt * np.arange(100))) * dt / 1000)
    z = (got.mean(1) - p)[p > 1e-3] / np.sqrt(p * (1 - p) / n)[p > 1e-3]
    assert stats.kstest(z, "norm").pvalue > 1e-4 and np.abs(z).max() < 4.5
    as_input = inputs.poisson(100 + inputs.sine(100.0, 50.0), shape=(n,), key=key)
    np.testing.assert_array_equal(as_input.array(dt, 100), got)
    below_0 = inputs.poisson(inputs.step(1e3, 5) - 1e3, key=key, shape=(10,))
    assert not below_0.array(1.0, 10).any()


@pytest.mark.parametrize("gap", [0, 2])
def test_compound_poisson(key, gap):
    dt, rate_hz, window = 0.5, 100.0, 100
    p = np.array([0.1, 0.4, 0.2, 0.3])
    bursts = inputs.compound_poisson(rate_hz, p, gap * dt, shape=(4000,), key=key)
    spikes = bursts.array(dt, 2 * window)
    k, events = np.arange(4), rate_hz * dt / 1000
    assert_mean(spikes[0], events * (p @ k))  # bursts under way at the start are there
    assert_mean(spikes.sum(0), 2 * window * events * (p @ k))
    # Spikes i and j of one burst fall into one window but for those that straddle its edge.
    i, j = np.mgrid[0:3, 0:3]
    both = np.array([p[n + 1 :].sum() for n in range(3)])[np.maximum(i, j)]
    exact = np.sum(both * (window - gap * np.abs(i - j))) / (window * (p @ k))
    assert exact == pytest.approx((p @ k**2) / (p @ k), rel=0.1)  # of infinite windows
    counts = spikes.reshape(2, window, 4000).sum(1).reshape(40, -1)
    assert_batches(fano, counts, exact, 0.1)


def test_bursts_keep_their_interval(key):
    bursts = inputs.compound_poisson(2.0, [0, 0, 0, 1.0], 1.5, shape=(4000,), key=key)
    spikes = np.asarray(bursts.array(0.5, 200))
    assert np.mean(spikes[spikes > 0] == 1) > 0.99 and spikes.sum() > 1000
    assert np.mean(intervals_of(spikes) == 3) == pytest.approx(2 / 3, abs=0.03)


# A spike belongs to the step that contains it and is reported at the end of that step.


def test_given_times():
    raster = inputs.from_times([3.2, 0.0, 0.74, 0.5, 1.49]).array(0.5, 8)
    np.testing.assert_array_equal(raster, [1, 1, 1, 0, 0, 0, 1, 0])  # 0.5 and 0.74 merge
    counts = inputs.from_times([3.2, 0.0, 0.74, 0.5, 1.49], counts=True).array(0.5, 8)
    np.testing.assert_array_equal(counts, [1, 2, 1, 0, 0, 0, 1, 0])
    np.testing.assert_allclose(snn.measures.spike_times(raster, 0.5), [0.5, 1.0, 1.5, 3.5])


@pytest.mark.parametrize("dt", [0.1, 0.01])
def test_times_on_the_grid_are_in_the_step_they_begin_in_float32(dt):
    k = jnp.arange(100_000)
    times = jnp.asarray((np.arange(100_000) * dt).astype(np.float32))
    short = jnp.float32(dt)
    one = jax.jit(jax.vmap(lambda k, t: inputs.from_times(t[None])(k, short)))
    np.testing.assert_array_equal(one(k, times), np.ones(100_000))
    # Each time is in one step only: it is in none of its neighbours.
    assert not one(k - 1, times).any() and not one(k + 1, times).any()
    raster = inputs.from_times(times, counts=True).array(short, 100_000)
    np.testing.assert_array_equal(raster, np.ones(100_000))


def test_ways_to_give_the_times_of_several_neurons():
    ragged = inputs.from_times([[1.0, 2.5], [], [0.2]])
    padded = inputs.from_times(np.array([[2.5, np.nan, 0.2], [1.0, np.nan, np.nan]]))
    events = inputs.from_times([0.2, 1.0, 2.5], indices=[2, 0, 0], n=3)
    expected = np.zeros((6, 3))
    expected[[2, 5, 0], [0, 0, 2]] = 1
    for train in (ragged, padded, events):
        np.testing.assert_array_equal(train.array(0.5, 6), expected)
        np.testing.assert_array_equal(train.times[0], [1.0, np.nan, 0.2])
    assert inputs.from_times(np.zeros((2, 3, 4))).array(0.5, 1).shape == (1, 3, 4)


def test_spikes_played_back_come_one_step_later(key):
    dt = 0.1
    raster = inputs.poisson(200.0, shape=(5,), key=key).array(dt, 1000)
    times = snn.measures.spike_times(raster, dt)
    again = inputs.from_times(times).array(dt, 1001)
    np.testing.assert_array_equal(again[1:], raster)
    assert raster.sum() > 50


def recovering(rate_hz, dead, tau):
    """Survivor function and mean of the intervals, ms; by quadrature."""
    r = rate_hz / 1000

    def survivor(t):
        s = np.maximum(np.asarray(t) - dead, 0)
        return np.exp(-r * (s + (tau * np.expm1(-s / tau) if tau else 0)))

    return survivor, dead + integrate.quad(survivor, dead, dead + 60 / r, limit=200)[0]


def gamma(rate_hz, order):
    law = stats.gamma(order, scale=1000 / (rate_hz * order))
    return law.sf, law.mean()


N, T = 1000, 2000.0
TRAINS = {  # and their intervals' survivor function and mean
    "poisson": (lambda k: inputs.poisson_train(40.0, T, shape=(N,), key=k), gamma(40, 1)),
    "gamma 4": (
        lambda k: inputs.gamma_train(40.0, 4, T, shape=(N,), key=k, capacity=170),
        gamma(40, 4),
    ),
    "gamma 1/2": (
        lambda k: inputs.gamma_train(40.0, 0.5, T, shape=(N,), key=k, capacity=170),
        gamma(40, 0.5),
    ),
    "absolute": (
        lambda k: inputs.refractory_poisson_train(100.0, 5.0, T, shape=(N,), key=k),
        recovering(100, 5, 0),
    ),
    "relative": (
        lambda k: inputs.refractory_poisson_train(
            100.0, 5.0, T, recovery=20.0, shape=(N,), key=k, capacity=300
        ),
        recovering(100, 5, 20),
    ),
    "only relative": (
        lambda k: inputs.refractory_poisson_train(
            100.0, 0.0, T, recovery=0.5, shape=(N,), key=k, capacity=300
        ),
        recovering(100, 0, 0.5),
    ),
}


CLOSED_CV = {
    "poisson": 1,
    "gamma 4": 1 / np.sqrt(4),
    "gamma 1/2": np.sqrt(2),
    "absolute": 1 / (1 + 0.1 * 5),
}


@pytest.mark.parametrize("name", TRAINS)
def test_renewal_process(key, name):
    make, (survivor, mean) = TRAINS[name]
    times = np.asarray(make(key).times)
    isi = np.diff(times[:20], axis=0)  # the first ones, so that none is cut off by the end
    assert np.isfinite(isi).all() or name == "gamma 1/2"
    isi = isi[np.isfinite(isi)]
    assert stats.kstest(isi, lambda t: 1 - survivor(t)).pvalue > 1e-4
    # In equilibrium the first spike comes at a rate of survivor / mean ...
    grid = np.linspace(0, 40 * mean, 20_001)
    first = integrate.cumulative_trapezoid(survivor(grid) / mean, grid, initial=0)
    assert stats.kstest(times[0], lambda t: np.interp(t, grid, first)).pvalue > 1e-4
    # ... so that the rate is constant.
    counts = np.array([((times >= t) & (times < t + 10)).sum() for t in range(0, 1000, 10)])
    assert np.abs(counts - 10 * N / mean).max() < 4.5 * np.sqrt(10 * N / mean) * 1.5
    counts = np.isfinite(times).sum(0)
    assert_mean(counts, T / mean)
    # The Fano factor of a long window is the squared CV of the intervals.
    spread = np.sqrt(2 * integrate.trapezoid(grid * survivor(grid), grid) / mean**2 - 1)
    if name in CLOSED_CV:
        assert spread == pytest.approx(CLOSED_CV[name], rel=1e-3)
    batches = np.split(np.diff(times[:20], axis=0), 40, axis=1)
    finite = [x[np.isfinite(x)] for x in batches]
    assert_batches(cv, finite, spread, 0.06)
    assert_batches(fano, counts.reshape(40, -1), spread**2, 0.25)


def test_train_is_the_same_for_every_dt(key):
    train = inputs.poisson_train(100.0, 200.0, shape=(6,), key=key, counts=True)
    fine = train.array(0.1).reshape(200, 10, 6).sum(1)
    np.testing.assert_array_equal(fine, train.array(1.0))
    assert fine.sum() > 50


@pytest.mark.parametrize(
    "make",
    [
        lambda t, **of: inputs.poisson_train(100.0, t, **of),
        lambda t, **of: inputs.refractory_poisson_train(100.0, 2, t, **of),
        lambda t, **of: inputs.regular_train(100.0, t, jitter=2.0, **of),
    ],
    ids=["poisson", "refractory", "regular"],
)
def test_train_begins_as_a_shorter_one(key, make):
    long = make(400.0, shape=(6,), key=key).times[:5, :4]
    np.testing.assert_allclose(make(200.0, shape=(4,), key=key).times[:5], long, rtol=1e-12)


def test_regular_train(key):
    exact = inputs.regular_train([50.0, 40.0], 200.0, phase=[0.5, 0.0])
    np.testing.assert_allclose(exact.times[:3], [[10, 0], [30, 25], [50, 50]])
    assert np.isfinite(exact.times).sum(0).tolist() == [10, 8]
    jittered = inputs.regular_train(50.0, 500.0, jitter=2.0, shape=(2000,), key=key)
    shift = np.asarray(jittered.times[2:20]) - (20.0 * np.arange(2, 20) + 10)[:, None]
    assert_mean(shift, 0, 4.0)
    assert_mean(shift**2, 4.0)


def test_end_of_a_train_is_not_silence(key):
    train = inputs.poisson_train(50.0, 100.0, shape=(3,), key=key)
    raster = train.array(1.0, 102)
    assert np.isfinite(raster[:100]).all() and np.isnan(raster[100:]).all()
    with pytest.raises(snn.NonFiniteError, match="ends at 101 ms"):
        snn.simulate(snn.LIF(), 10 * train, 1.0, n_steps=200)
    with pytest.raises(ValueError, match=r"poisson_train.capacity=3 spikes last only to"):
        inputs.poisson_train(50.0, 1000.0, key=key, capacity=3)
    short = jax.vmap(
        lambda r: inputs.poisson_train(r, 1000.0, key=key, capacity=3).array(1.0, 1000)
    )(jnp.array([50.0, 1.0]))
    times = inputs.poisson_train(50.0, 1000.0, key=key).times
    assert np.flatnonzero(np.isnan(short[0]))[0] == np.floor(times[2])
    assert np.isfinite(short[1]).all()


def test_train_inside_jit(key):
    times = lambda: inputs.poisson_train(50.0, 100.0, shape=(3,), key=key).times
    np.testing.assert_allclose(jax.jit(times)(), times(), rtol=1e-12)
    dead = lambda dead: (
        inputs.refractory_poisson_train(100.0, dead, 100.0, key=key, capacity=40).times
    )
    np.testing.assert_allclose(jax.jit(dead)(2.0), dead(2.0), rtol=1e-12)


REFUSED = [
    (lambda k: inputs.bernoulli(10.0), "bernoulli is stochastic: give it key="),
    (lambda k: inputs.poisson(10.0), "poisson is stochastic"),
    (lambda k: inputs.compound_poisson(10.0, [0, 1]), "compound_poisson is stochastic"),
    (lambda k: inputs.poisson_train(10.0, 100), "poisson_train is stochastic"),
    (lambda k: inputs.gamma_train(10.0, 2, 100), "gamma_train is stochastic"),
    (lambda k: inputs.refractory_poisson_train(9, 2, 100), "_train is stochastic"),
    (lambda k: inputs.regular_train(10, 100, jitter=1), "regular_train is stochastic"),
    (lambda k: inputs.poisson(-1.0, key=k), "poisson.rate_hz must be at least 0 Hz"),
    (lambda k: inputs.poisson([1, 2], shape=3, key=k), r"rate_hz of shape \(2,\) does not"),
    (lambda k: inputs.compound_poisson(1, [0.5, 0.4], key=k), "must add up to 1"),
    (lambda k: inputs.compound_poisson(1, [1.0], key=k), "must be those of 0, 1, ..."),
    (
        lambda k: inputs.compound_poisson(1, [0, 1], -1, key=k),
        "interval must be at least 0",
    ),
    (lambda k: inputs.gamma_train(0, 2, 100, key=k), "gamma_train.rate_hz must be above 0"),
    (lambda k: inputs.gamma_train(5, 0, 100, key=k), "gamma_train.order must be above 0"),
    (lambda k: inputs.gamma_train(5, 2, -1, key=k), "gamma_train.duration must be above 0"),
    (lambda k: inputs.gamma_train(5, 2, [1, 2], key=k), "duration must be one number"),
    (lambda k: inputs.gamma_train(5, 2, 9, key=k, capacity=0), "capacity must be a whole"),
    (
        lambda k: jax.vmap(lambda r: inputs.poisson_train(r, 9, key=k).times)(jnp.ones(2)),
        "poisson_train needs capacity=",
    ),
    (lambda k: inputs.refractory_poisson_train(5, -2, 9, key=k), "dead_time must be at l"),
    (lambda k: inputs.from_times(3.0), "must be a list of times in ms, got 3.0"),
    (lambda k: inputs.from_times([1.0, -1.0]), "must be finite and at least 0 ms"),
    (lambda k: inputs.from_times([[[1.0]], [2.0]]), r"times\[0\] must be a list of times"),
    (lambda k: inputs.from_times([1.0], indices=[0]), "indices needs one neuron's number"),
    (lambda k: inputs.from_times([1.0], indices=[3], n=3), r"must lie in 0 .. 2"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_bad_values_are_refused_by_name(key, make, message):
    with pytest.raises(ValueError, match=message):
        make(key)
