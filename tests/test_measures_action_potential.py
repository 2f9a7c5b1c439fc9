import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq, minimize_scalar

from snnjax import measures as ms


def bump(t, at, width):
    return jnp.exp(-0.5 * ((t - at) / width) ** 2)


def spike(t, height=100.0, width=0.3, at=5.0317):
    """A smooth spike with a trough, of which every feature can be found to any precision."""
    return -65.0 + height * bump(t, at, width) - 12.0 * bump(t, at + 3.0, 1.5)


def sampled(f, dt, stop=20.0):
    return f(dt * (jnp.arange(round(stop / dt)) + 1))


def exact_features(f, slope=20.0, base=None):
    """The features of the function `f` itself, by root finding and minimisation."""
    slope_of = jax.jit(jax.grad(lambda t: f(t)))
    least = lambda g, a, b: (
        minimize_scalar(
            lambda t: float(g(t)), bounds=(a, b), method="bounded", options={"xatol": 1e-10}
        ).x
    )
    f = jax.jit(f)
    peak = least(lambda t: -f(t), 4.5, 5.5)
    trough = least(f, 6.5, 10.0)
    rise = least(lambda t: -slope_of(t), 4.0, peak)
    fall = least(slope_of, peak, 6.5)
    onset = brentq(lambda t: slope_of(t) - slope, 3.0, rise)
    threshold = f(onset)
    half = (f(peak) + (threshold if base is None else base)) / 2
    width = brentq(lambda t: f(t) - half, peak, 6.5) - brentq(
        lambda t: f(t) - half, 3, peak
    )
    return ms.APFeatures(
        threshold=threshold,
        threshold_time=onset,
        peak=f(peak),
        peak_time=peak,
        trough=f(trough),
        trough_time=trough,
        amplitude=f(peak) - (threshold if base is None else base),
        half_width=width,
        upstroke=slope_of(rise),
        downstroke=slope_of(fall),
    )


def test_features_converge_to_those_of_the_continuous_trace():
    exact, errors = np.array(exact_features(spike)), []
    for dt in (0.02, 0.01, 0.005):
        errors.append(np.abs(np.array(ms.ap_features(sampled(spike, dt), dt)) - exact))
    # In the order and the units of APFeatures, at dt = 0.02 ms; then falling with dt^2.
    assert np.all(errors[0] < [1e-2, 5e-4, 3e-4, 5e-6, 1e-7, 3e-7, 1e-2, 2e-4, 0.1, 0.1])
    assert np.all((errors[2] < errors[0] / 8) | (errors[2] < 1e-6)), errors


def test_amplitude_and_half_width_from_a_given_base():
    exact = exact_features(spike, base=-65.0)
    features = ms.ap_features(sampled(spike, 0.01), 0.01, base=-65.0)
    assert_allclose(features.amplitude, exact.amplitude, atol=1e-6)
    assert_allclose(features.half_width, exact.half_width, atol=5e-5)
    assert_allclose(features.threshold, exact.threshold, atol=2e-3)


def test_float32_agrees():
    expected = ms.ap_features(sampled(spike, 0.02), 0.02)
    with jax.enable_x64(False):
        features = ms.ap_features(jnp.asarray(sampled(spike, 0.02), jnp.float32), 0.02)
        assert all(x.dtype == jnp.float32 for x in features)
        assert_allclose(features, expected, rtol=1e-3)


def test_features_of_each_spike_of_a_train():
    dt, n = 0.01, 2000
    shapes = [(100.0, 0.3), (90.0, 0.35), (80.0, 0.4)]
    parts = [sampled(lambda t, h=h, w=w: spike(t, h, w), dt) for h, w in shapes]
    train = jnp.concatenate(parts)
    features = ms.ap_features(train, dt, max_spikes=5)
    assert all(x.shape == (5,) for x in features)
    assert np.isnan(np.array(features)[:, 3:]).all()
    for k, part in enumerate(parts):
        alone = ms.ap_features(part, dt)
        for name, x, one in zip(alone._fields, features, alone, strict=True):
            shift = k * n * dt if name.endswith("time") else 0.0
            assert_allclose(x[k], one + shift, rtol=1e-9, err_msg=name)
    assert_allclose(ms.ap_features(train, dt), [x[0] for x in features], rtol=1e-12)
    second = ms.ap_features(train, dt, start=20.0)
    assert_allclose(second, [x[1] for x in features], rtol=1e-12)


def test_axes_behind_time_jit_and_vmap():
    heights = jnp.array([[100.0, 90.0, 20.0], [80.0, 85.0, 95.0]])  # 20 mV does not fire
    v = sampled(lambda t: spike(t[:, None, None], heights), 0.02)
    features = ms.ap_features(v, 0.02, max_spikes=2)
    assert features.peak.shape == (2, 2, 3)
    mapped = jax.jit(jax.vmap(lambda v: ms.ap_features(v, 0.02, max_spikes=2), 1, 1))(v)
    crossings = ms.crossing_times(v, 0.0, 0.02, 2)
    delay = ms.latency(v, 0.0, 0.02, start=1.0)
    for i, j in np.ndindex(2, 3):
        alone = ms.ap_features(v[:, i, j], 0.02, max_spikes=2)
        for x in (features, mapped):
            assert_allclose(np.array(x)[..., i, j], alone, rtol=1e-11)
        assert_array_equal(crossings[:, i, j], ms.crossing_times(v[:, i, j], 0.0, 0.02, 2))
        assert_array_equal(delay[i, j], ms.latency(v[:, i, j], 0.0, 0.02, 1.0))
    assert np.isnan(np.array(features)[:, :, 0, 2]).all()
    assert np.isnan(delay[0, 2])


def test_what_is_undefined_is_nan_and_the_rest_is_not():
    dt, n = 0.01, 1000
    long = spike(dt * (np.arange(3 * n) - n + 1))  # its peak is at sample n + 502
    names = lambda features: {n for n, x in features._asdict().items() if np.isnan(x)}
    window = lambda begin, **kwargs: names(ms.ap_features(long[begin:][:n], dt, **kwargs))
    every = set(ms.APFeatures._fields)
    threshold = {"threshold", "threshold_time"}
    relative = {"amplitude", "half_width"}
    assert window(n) == set()
    assert window(n, level=50.0) == every
    assert window(503) == every  # ends with the peak
    assert window(700) == {"trough", "trough_time"}
    assert window(n + 470) == threshold | relative  # starts above the threshold
    assert window(n + 495) == every  # starts above the level
    assert window(n, slope=1000.0) == threshold | relative
    assert window(n, slope=1000.0, base=-65.0) == threshold
    for v in (-65.0, 0.0):
        assert names(ms.ap_features(jnp.full(n, v), dt)) == every


def test_a_window_that_ends_before_the_fall_has_no_width():
    low, part = jnp.full(100, -100.0), sampled(spike, 0.01)
    v = jnp.concatenate([low, part, part, low])
    features = ms.ap_features(v, 0.01, base=-190.0, max_spikes=2)  # half of it: -78 mV
    assert_allclose(features.amplitude, 190.0 + features.peak)
    assert np.isnan(features.half_width).all()


def test_edges_of_the_window_are_not_extrapolated():
    dt = 0.01
    # From 4.8 ms on dv/dt only falls: its largest value is the first.
    cut = ms.ap_features(sampled(spike, dt), dt, level=20.0, start=4.8)
    assert_allclose(cut.upstroke, jax.grad(spike)(4.8), rtol=0.01)
    # Straight flanks have no curvature at all: these numbers are exact.
    dt = 1 / 64
    t = dt * (np.arange(640) + 1)
    triangle = -65.0 + 100.0 * np.maximum(0, 1 - np.abs(t - 5.0))
    features = ms.ap_features(triangle, dt, start=4.25)
    assert_allclose(features.upstroke, 100.0)
    assert_allclose([features.peak, features.peak_time], [35.0, 5.0])
    assert_allclose(ms.ap_features(triangle, dt, base=-65.0).half_width, 1.0)


def test_an_artefact_before_the_spike_does_not_move_its_threshold():
    dt = 0.01
    artefact = lambda t: 20.0 * ((t > 2.0) & (t < 2.5))  # jumps of 2000 mV/ms
    v = sampled(lambda t: spike(t) + artefact(t), dt)
    clean = ms.ap_features(sampled(spike, dt), dt)
    assert_allclose(ms.ap_features(v, dt, start=2.6), clean, rtol=1e-12)
    assert ms.ap_features(v, dt).upstroke > 1000.0


def test_crossing_times_of_a_sine_are_exact_to_second_order():
    # sin(t) rises through 0.5 at pi/6 + 2 pi k.
    expected = np.pi / 6 + 2 * np.pi * np.arange(3)
    for dt in (0.1, 0.01):
        t = dt * (np.arange(round(18 / dt)) + 1)
        times = ms.crossing_times(np.sin(t), 0.5, dt, 5)
        assert_allclose(times[:3], expected, atol=0.1 * dt**2)
        assert np.isnan(times[3:]).all()
        assert_array_equal(ms.crossing_times(np.sin(t), 0.5, dt, 2), times[:2])
        assert np.isnan(ms.crossing_times(np.sin(t), 1.5, dt, 2)).all()


def test_a_crossing_is_from_below_to_the_level_or_above():
    v = [5.0, 5.0, 0.0, 5.0, 10.0, 0.0, 4.0, 6.0]
    # Samples at 1, 2, ... ms; the start at the level is none, reaching it exactly is one.
    assert_allclose(ms.crossing_times(v, 5.0, 1.0, 4), [4.0, 7.5, np.nan, np.nan])
    assert_allclose(ms.latency(v, 5.0, 1.0), 4.0)
    assert_allclose(ms.latency(v, 5.0, 1.0, start=3.0), 1.0)
    assert_allclose(ms.latency(v, 5.0, 1.0, start=4.0), 3.5)
    assert np.isnan(ms.latency(v, 5.0, 1.0, start=7.6))
    assert np.isnan(ms.crossing_times([7.0], 5.0, 1.0, 1)).all()


def hodgkin_huxley(current=15.0, g_na=120.0, phi=1.0, dt=0.02, duration=12.0):
    """Membrane potential of the Hodgkin-Huxley equations from rest near -65 mV, by RK4."""

    def slopes(y):
        v, m, h, n = y
        linoid = lambda x: x / -jnp.expm1(-x)
        a_m, b_m = linoid((v + 40) / 10), 4 * jnp.exp(-(v + 65) / 18)
        a_h, b_h = 0.07 * jnp.exp(-(v + 65) / 20), 1 / (1 + jnp.exp(-(v + 35) / 10))
        a_n, b_n = 0.1 * linoid((v + 55) / 10), 0.125 * jnp.exp(-(v + 65) / 80)
        ionic = g_na * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
        gates = ((a_m, b_m, m), (a_h, b_h, h), (a_n, b_n, n))
        return jnp.array(
            [current - ionic, *(phi * (a * (1 - x) - b * x) for a, b, x in gates)]
        )

    def step(y, _):
        k1 = slopes(y)
        k2 = slopes(y + dt / 2 * k1)
        k3 = slopes(y + dt / 2 * k2)
        k4 = slopes(y + dt * k3)
        y = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y, y[0]

    start = jnp.array([-65.0, 0.052932, 0.596121, 0.317677])
    return jax.lax.scan(step, start, length=round(duration / dt))[1]


def test_hodgkin_huxley_spikes_shrink_and_shorten_as_kinetics_speed_up():
    phi = jnp.array([1.0, 2.0, 3.0, 4.0])
    v = jax.jit(jax.vmap(lambda phi: hodgkin_huxley(phi=phi, dt=0.01), out_axes=1))(phi)
    features = ms.ap_features(v, 0.01, base=-65.0)
    assert_allclose(features.peak, [40.9, 37.0, 32.7, 28.1], atol=0.1)
    assert_allclose(features.half_width, [1.48, 0.76, 0.52, 0.41], atol=0.011)
    assert np.all(np.diff(features.upstroke) > 0)
    assert np.all(np.diff(features.downstroke) < 0)


def test_derivatives_of_the_features_of_a_simulated_spike():
    features = lambda x: jnp.array(
        ms.ap_features(hodgkin_huxley(current=x[0], g_na=x[1], duration=8.0), 0.02)
    )
    features, at, eps = jax.jit(features), np.array([12.0, 120.0]), 1e-5
    forward = jax.jit(jax.jacfwd(features))(at)
    for i, step in enumerate(np.eye(2) * eps):
        difference = (features(at + step) - features(at - step)) / (2 * eps)
        assert_allclose(forward[:, i], difference, rtol=1e-5, atol=1e-6)
    weight = np.random.default_rng(0).normal(size=10)
    backward = jax.jit(jax.grad(lambda x: weight @ features(x)))(at)
    assert_allclose(backward, weight @ forward, rtol=1e-9)
    # More current or more sodium conductance brings the spike forward.
    assert np.all(forward[ms.APFeatures._fields.index("peak_time")] < 0)


def test_derivatives_of_crossing_times_and_latency():
    v = lambda width: sampled(lambda t: spike(t, width=width), 0.02)
    time = jax.jit(lambda w, level: ms.crossing_times(v(w), level, 0.02, 3)[0])
    delay = jax.jit(lambda w, level: ms.latency(v(w), level, 0.02, 1.0))
    by_width, by_level = jax.jit(jax.grad(time, (0, 1)))(0.3, -10.0)
    difference = (time(0.3 + 1e-6, -10.0) - time(0.3 - 1e-6, -10.0)) / 2e-6
    assert_allclose(by_width, difference, rtol=1e-7)
    assert_allclose(by_level, 1 / jax.grad(spike)(time(0.3, -10.0)), rtol=1e-3)
    assert_allclose(jax.jit(jax.jacfwd(delay, (0, 1)))(0.3, -10.0), (by_width, by_level))


def test_silent_traces_have_finite_gradients():
    def total(v):
        features = ms.ap_features(v, 0.1, level=20.0, max_spikes=3)
        times = ms.crossing_times(v, 20.0, 0.1, 3)
        return sum(jnp.nansum(x) for x in (*features, times, ms.latency(v, 20.0, 0.1)))

    gradient = jax.jit(jax.grad(total))
    for rest in (-65.0, 0.0):
        assert_array_equal(gradient(jnp.full(50, rest)), 0)
        assert np.isfinite(gradient(jnp.full(50, rest).at[20].set(30.0))).all()


V = np.zeros(10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ms.ap_features(V, 0.0), "ap_features.dt must be above 0 ms, got 0"),
        (
            lambda: ms.ap_features(V[:2], 0.1),
            r"ap_features.v .* at least 3 samples .* \(2,\)",
        ),
        (lambda: ms.ap_features(V * np.nan, 0.1), "ap_features.v must be finite in mV"),
        (
            lambda: ms.ap_features(V, 0.1, slope=-1),
            "ap_features.slope must be above 0 mV/ms",
        ),
        (
            lambda: ms.ap_features(V, 0.1, start=-1),
            "ap_features.start must be at least 0 ms",
        ),
        (
            lambda: ms.ap_features(V, 0.1, base=np.inf),
            "ap_features.base must be finite in mV",
        ),
        (lambda: ms.ap_features(V, 0.1, max_spikes=0), "ap_features.max_spikes must be at"),
        (
            lambda: ms.crossing_times(1.0, 0.0, 0.1, 1),
            r"crossing_times.v must be a trace \[T",
        ),
        (
            lambda: ms.crossing_times(V, np.nan, 0.1, 1),
            "crossing_times.level must be finite",
        ),
        (
            lambda: ms.crossing_times(V, 0.0, -0.1, 1),
            "crossing_times.dt must be above 0 ms",
        ),
        (lambda: ms.crossing_times(V, 0.0, 0.1, 0), "crossing_times.max_spikes must be at"),
        (
            lambda: ms.latency(V, 0.0, 0.1, -2.0),
            "latency.start must be at least 0 ms, got -2",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
