"""Encoders against closed forms, counts of stated confidence and loops in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import snnjax as snn

VALUES = hnp.arrays(np.float64, (4, 6), elements=st.floats(0, 1, width=16))


@eqx.filter_jit
def run(code, x, key=None):
    return code(x, key)


def codes(n_steps=7):
    return [
        snn.DirectCurrent(n_steps),
        snn.BernoulliCode(n_steps),
        snn.PoissonCode(n_steps, 300.0),
        snn.LatencyCode(n_steps),
        snn.LatencyCode(n_steps, tau=4.0),
        snn.SpikeTimeCode(n_steps),
        snn.PopulationCode.bohte(snn.LatencyCode(n_steps), 1 + 2),
    ]


@pytest.mark.parametrize("code", codes(), ids=lambda c: type(c).__name__)
def test_codes_are_time_first_in_the_dtype_of_the_values_jitted_or_not(code, key):
    x = jax.random.uniform(jax.random.key(1), (3, 5))
    wide = 3 if isinstance(code, snn.PopulationCode) else 1
    for dtype in (jnp.float32, jnp.float64):
        out = eqx.filter_eval_shape(code, x.astype(dtype), key)
        assert out.shape == (7, 3, 5 * wide) and out.dtype == dtype
    grad = jax.grad(lambda x, code: run(code, x, key).sum())
    assert np.isfinite(eqx.filter_jit(grad)(x, code)).all()
    np.testing.assert_array_equal(code(x, key), run(code, x, key))


def test_codes_refuse():
    for kind in (snn.DirectCurrent, snn.PoissonCode, snn.SpikeTimeCode):
        with pytest.raises(ValueError, match=r"\.n_steps must be a whole number above 0"):
            kind(0)
    with pytest.raises(ValueError, match=r"PoissonCode\.max_rate_hz must be at least 0 Hz"):
        snn.PoissonCode(5, -1.0)
    with pytest.raises(ValueError, match=r"PoissonCode\.dt must be above 0 ms"):
        snn.PoissonCode(5, dt=0.0)
    with pytest.raises(ValueError, match=r"rate_hz must be at least 0 Hz"):
        snn.PoissonCode(5)(jnp.array([-0.5]), jax.random.key(0))
    with pytest.raises(ValueError, match="stochastic"):
        snn.PoissonCode(5)(jnp.ones(3), None)
    with pytest.raises(ValueError, match=r"LatencyCode\.tau must be above 0 steps"):
        snn.LatencyCode(5, tau=0.0)
    with pytest.raises(ValueError, match=r"SpikeTimeCode\.duration must be above 0"):
        snn.SpikeTimeCode(5, 0.0)


def test_direct_current_is_the_value_in_each_step(key):
    x = np.array([[-1.0, 0.5], [2.0, 0.0]])
    np.testing.assert_array_equal(
        snn.DirectCurrent(3, gain=4.0)(x), 4 * np.stack([x, x, x])
    )
    integers = jnp.arange(6).reshape(2, 3)
    assert jnp.issubdtype(snn.DirectCurrent(2)(integers).dtype, jnp.floating)


def test_poisson_code_is_a_poisson_process(key):
    x, dt, n = jnp.array([0.0, 0.2, 1.0]), 2.0, 10_000
    expected = np.asarray(x) * 150.0 * dt / 1000
    counts = np.asarray(run(snn.PoissonCode(n, 150.0, dt, counts=True), x, key))
    # 99.99 %: 3.9 standard errors of a mean
    assert np.all(np.abs(counts.mean(0) - expected) <= 3.9 * np.sqrt(expected / n))
    observed = np.bincount(counts[:, 2].astype(int), minlength=4)[:4]
    probability = stats.poisson.pmf(range(4), expected[2])
    observed[3], probability[3] = n - observed[:3].sum(), 1 - probability[:3].sum()
    assert stats.chisquare(observed, n * probability).pvalue > 1e-4
    spikes = np.asarray(run(snn.PoissonCode(n, 150.0, dt), x, key))
    p = 1 - np.exp(-expected)
    assert set(np.unique(spikes)) == {0, 1}
    assert np.all(np.abs(spikes.mean(0) - p) <= 3.9 * np.sqrt(p * (1 - p) / n))
    other = run(snn.PoissonCode(n, 150.0, dt), x, jax.random.key(1))
    assert not np.array_equal(spikes, other)
    twice = run(snn.PoissonCode(n, 150.0, dt), jnp.array([0.2, 1.0, 1.0]), key)
    apart = np.corrcoef(twice[:, 1:].T)[0, 1]
    assert abs(apart) < 3.9 / np.sqrt(n)  # each value draws its own


@pytest.mark.parametrize(("tau", "smallest"), [(5.0, 0.2), (12.0, 0.05)])
def test_logarithmic_latency_is_the_first_spike_of_a_charged_membrane(tau, smallest):
    x = np.random.default_rng(0).uniform(0, 1, 300)
    spikes = np.asarray(snn.LatencyCode(40, smallest, tau)(jnp.asarray(x)))
    lif = snn.LIF(
        tau, g_l=1.0, e_l=0.0, v_reset=0.0, t_ref=None, threshold=snn.Threshold(smallest)
    )
    fired = np.asarray(snn.simulate(lif, snn.inputs.constant(x), 1.0, n_steps=40).ys)
    first = np.where(fired.any(0), fired.argmax(0), -1)
    np.testing.assert_array_equal(np.where(spikes.any(0), spikes.argmax(0), -1), first)
    assert spikes.sum(0).max() == 1 and 0 < np.sum(first < 0) < 150
    t = tau * np.log(x[first >= 0] / (x[first >= 0] - smallest))
    np.testing.assert_array_equal(first[first >= 0], np.floor(t))


@given(VALUES)
def test_spike_times_fall_into_the_step_that_contains_them(x):
    spikes = np.asarray(snn.SpikeTimeCode(10)(x))
    np.testing.assert_array_equal(spikes.sum(0), 1)
    np.testing.assert_array_equal(spikes.argmax(0), np.minimum(np.floor(x * 10), 9))


def test_spike_times_out_of_range_are_no_spikes():
    x = jnp.array([jnp.nan, -0.1, 5.01, 5.0, 0.0, 2.5])
    spikes = np.asarray(snn.SpikeTimeCode(10, duration=5.0)(x))
    np.testing.assert_array_equal(spikes.sum(0), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(spikes.argmax(0)[3:], [9, 0, 5])


# Populations


def test_population_fields_are_those_of_bohte():
    code = snn.PopulationCode.bohte(snn.DirectCurrent(2), 6, -1.0, 3.0, beta=2.0)
    expected = [-1 + (2 * j - 3) / 2 * 4 / 4 for j in range(1, 7)]  # eq. of the paper
    np.testing.assert_allclose(code.centres, expected, rtol=1e-12)
    assert float(code.width) == pytest.approx(4 / 4 / 2)
    x = jnp.array([[0.3, 2.0]])
    a = np.asarray(code.activations(x))[0]
    by_hand = np.exp(-((np.array([0.3, 2.0])[:, None] - expected) ** 2) / (2 * 0.5**2))
    np.testing.assert_allclose(a, by_hand.ravel(), rtol=1e-12)
    np.testing.assert_allclose(code(x), np.stack([a[None], a[None]]))
    np.testing.assert_allclose(code.activations(code.centres[2][None])[2], 1.0)


def test_the_unit_tuned_nearest_fires_first(key):
    code = snn.PopulationCode(snn.LatencyCode(50), jnp.linspace(0, 1, 9), 0.1)
    x = jax.random.uniform(key, (40, 1))
    spikes = np.asarray(code(x))
    first = np.where(spikes.any(0), spikes.argmax(0), 99).argmin(-1)
    distance = np.abs(np.asarray(x) - np.linspace(0, 1, 9))
    rows = np.arange(40)
    assert np.all(distance[rows, first] <= distance.min(-1) + 0.02)
    rates = code.__class__(snn.PoissonCode(4000, 500.0), code.centres, code.width)
    counts = np.asarray(run(rates, x[:3], key)).sum(0)
    expected = 4000 * (1 - np.exp(-0.5 * np.asarray(code.activations(x[:3]))))
    assert np.all(np.abs(counts - expected) <= 3.9 * np.sqrt(expected + 1))


def test_population_refuses():
    code = snn.DirectCurrent(2)
    with pytest.raises(ValueError, match=r"centres must be \[units\] .* got shapes"):
        snn.PopulationCode(code, jnp.zeros((2, 3)), 1.0)
    with pytest.raises(ValueError, match=r"centres must be \[units\] .* got shapes"):
        snn.PopulationCode(code, jnp.zeros(3), jnp.ones(2))
    with pytest.raises(ValueError, match=r"PopulationCode\.width must be above 0"):
        snn.PopulationCode(code, jnp.zeros(3), 0.0)
    with pytest.raises(ValueError, match=r"bohte\.n_units must be above 2"):
        snn.PopulationCode.bohte(code, 2)
    with pytest.raises(ValueError, match=r"high - low must be above 0"):
        snn.PopulationCode.bohte(code, 5, 1.0, 1.0)


# Signals


def delta_by_hand(x, theta, counts):
    reference, events = x[0].copy(), np.zeros((*x.shape[:-1], 2 * x.shape[-1]))
    n = x.shape[-1]
    for t in range(len(x)):
        for i in np.ndindex(x.shape[1:]):
            up, down = 0, 0
            while x[t][i] - reference[i] >= theta and (counts or up == 0):
                reference[i] += theta
                up += 1
            while up == 0 and x[t][i] - reference[i] <= -theta and (counts or down == 0):
                reference[i] -= theta
                down += 1
            events[t][*i[:-1], i[-1]] = up
            events[t][*i[:-1], n + i[-1]] = down
    return events


@pytest.mark.parametrize("counts", [False, True])
def test_delta_code_is_a_loop_in_numpy(counts):
    # On a grid of 1/64, so that rounding decides nothing.
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.integers(-20, 21, (60, 2, 3)), 0) / 64
    events = run(snn.DeltaCode(0.125, counts=counts), jnp.asarray(x))
    np.testing.assert_array_equal(events, delta_by_hand(x, 0.125, counts))
    assert np.max(events) == (3 if counts else 1)


@given(
    hnp.arrays(np.float64, (30, 2), elements=st.floats(-3, 3)).map(jnp.asarray),
    st.floats(0.05, 2),
)
def test_with_counts_the_reconstruction_is_within_the_threshold_of_any_signal(x, theta):
    code = snn.DeltaCode(theta, counts=True)
    error = np.abs(x - np.asarray(code.decode(run(code, x), x[0])))
    assert np.all(error < theta + 1e-9)


@given(hnp.arrays(np.float64, (50, 3), elements=st.floats(-1, 1)))
def test_single_events_follow_a_signal_that_moves_by_less_than_the_threshold(moves):
    x = jnp.asarray(0.3 * np.cumsum(moves, 0))
    code = snn.DeltaCode(0.3)
    events = run(code, x)
    assert set(np.unique(events)) <= {0, 1}
    error = np.abs(x - np.asarray(code.decode(events, x[0])))
    assert np.all(error < 0.3 + 1e-9)


def test_delta_code_on_a_ramp_and_a_jump():
    ramp = jnp.arange(9.0)[:, None]
    up = run(snn.DeltaCode(2.0), ramp)
    np.testing.assert_array_equal(up[:, 0], [0, 0, 1, 0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(run(snn.DeltaCode(2.0), -ramp)[:, ::-1], up)
    jump = jnp.array([[0.0], [3.5], [3.5], [3.5], [3.5]])
    np.testing.assert_array_equal(snn.DeltaCode(1.0)(jump)[:, 0], [0, 1, 1, 1, 0])
    caught = snn.DeltaCode(1.0, counts=True)(jump)
    np.testing.assert_array_equal(caught[:, 0], [0, 3, 0, 0, 0])
    one_each = snn.DeltaCode([1.0, 2.0])(jnp.concatenate([ramp, ramp], 1))
    np.testing.assert_array_equal(one_each[:, :2].sum(0), [8, 4])


def test_delta_code_takes_a_batch_in_the_order_of_fit(key):
    x = jax.random.normal(key, (4, 20, 3), jnp.float32)  # n, time, features
    together = run(snn.DeltaCode(0.5, time_axis=1), x)
    assert together.shape == (20, 4, 6) and together.dtype == jnp.float32
    alone = jnp.stack([run(snn.DeltaCode(0.5), one) for one in x], 1)
    np.testing.assert_array_equal(together, alone)
    with pytest.raises(ValueError, match=r"time on axis 3, got shape \(4, 20, 3\)"):
        snn.DeltaCode(0.5, time_axis=3)(x)
    with pytest.raises(ValueError, match=r"at least two axes .* got shape \(20,\)"):
        snn.DeltaCode(0.5)(x[0, :, 0])
    with pytest.raises(ValueError, match=r"DeltaCode\.threshold must be above 0"):
        snn.DeltaCode(0.0)


# Events


def events(seed, n=5, shape=(3, 2)):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 30, n)
    lengths[1] = 0
    times = [np.sort(rng.integers(0, 120, k) / 10.0) for k in lengths]
    return snn.datasets.SpikeEvents.of(
        times, [rng.integers(0, 6, k) for k in lengths], shape
    )


@pytest.mark.parametrize("counts", [False, True])
def test_event_code_is_the_dense_array_of_numpy(counts):
    data = events(0)
    x = jnp.asarray(data.padded(40))
    code = snn.EventCode(9, (3, 2), 1.0, counts=counts)  # events go on to 12 ms
    y = run(code, x)
    assert y.shape == (9, 5, 3, 2) and y.dtype == jnp.float32
    np.testing.assert_array_equal(y, data.to_dense(9, 1.0, counts=counts))
    assert y.max() == 1 if not counts else y.max() > 1


def test_event_code_finds_the_steps_of_rounded_times():
    """0.3 / 0.1 is below 3 in floating point, and 0.3 ms is in step 3."""
    for dtype in (np.float32, np.float64):
        k = np.arange(2000)
        times = (k * dtype(0.1)).astype(dtype)
        x = jnp.stack([jnp.asarray(times), jnp.zeros(2000, dtype)], 1)[None]
        np.testing.assert_array_equal(run(snn.EventCode(2000, (1,), 0.1), x), 1)


def test_event_code_drops_what_is_out_of_its_time():
    x = jnp.array(
        [[[-0.5, 0.0], [4.0, 0.0], [jnp.inf, 1.0], [jnp.nan, jnp.nan], [2.0, 1.0]]]
    )
    dense = run(snn.EventCode(4, (2,), counts=True), x)
    assert dense.sum() == 1 == dense[2, 0, 1]


def test_a_network_is_fitted_to_events():
    """One class has its events in the first channels, the other in the last."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 60)
    times = [np.sort(rng.uniform(0, 10, 12)) for _ in y]
    channels = [rng.integers(0, 3, 12) + 3 * label for label in y]
    x = snn.datasets.SpikeEvents.of(times, channels, (6,)).padded()
    net = snn.Sequential(snn.Linear(6, 2, key=jax.random.key(0)), snn.LeakyIntegrator(5.0))
    code = snn.EventCode(10, (6,), 1.0)
    net, history = snn.fit(
        net, (x[:40], y[:40]), validation=(x[40:], y[40:]), encode=code,
        optimizer=optax.adam(0.1), key=jax.random.key(1), where=["*weight"],
        epochs=5, batch_size=10, progress=False,
    )  # fmt: skip
    assert history.validation_score.max() == 1
