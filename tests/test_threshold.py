"""Thresholds, surrogate gradients, resets and the smoothed network."""

import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import snnjax as snn
from snnjax.core.threshold import mix, mix_attached

# The slopes in the form of the literature, and the relaxed steps, written out again.


class Form(NamedTuple):
    surrogate: snn.AbstractSurrogate
    slope: object
    relaxed: object
    peak: float
    area: float


def normal(x, mean, sigma):
    return np.exp(-((x - mean) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))


def multi_gaussian(x, sigma=0.8, h=0.2, s=4.0):
    sides = normal(x, sigma, s * sigma) + normal(x, -sigma, s * sigma)
    return (1 + h) * normal(x, 0, sigma) - h * sides


def multi_gaussian_relaxed(x, sigma=0.8, h=0.2, s=4.0):
    cdf = lambda mean, width: stats.norm.cdf(x, mean, width)
    sides = cdf(sigma, s * sigma) + cdf(-sigma, s * sigma)
    return ((1 + h) * cdf(0, sigma) - h * sides) / (1 - h)


FORMS = {
    "SuperSpike": Form(
        snn.SuperSpike(2.0),
        lambda x: 1 / (1 + 2 * np.abs(x)) ** 2,
        lambda x: 0.5 * (1 + 2 * x / (1 + 2 * np.abs(x))),
        1.0,
        2 / 2.0,
    ),
    "Sigmoid": Form(
        snn.Sigmoid(3.0),
        lambda x: 0.75 / np.cosh(np.clip(1.5 * x, -300, 300)) ** 2,
        lambda x: 1 / (1 + np.exp(-3 * x)),
        3 / 4,
        1.0,
    ),
    "Arctan": Form(
        snn.Arctan(3.0),
        lambda x: 1.5 / (1 + (1.5 * np.pi * x) ** 2),
        lambda x: 0.5 + np.arctan(1.5 * np.pi * x) / np.pi,
        1.5,
        1.0,
    ),
    "Triangle": Form(
        snn.Triangle(width=2.0, gamma=0.3),
        lambda x: 0.3 * np.maximum(0, 1 - np.abs(x) / 2),
        lambda x: np.interp(x, *_triangle_integral()),
        0.3,
        0.6,
    ),
    "Boxcar": Form(
        snn.Boxcar(0.5),
        lambda x: (np.abs(x) <= 0.25).astype(float),
        lambda x: np.clip(0.5 + 2 * x, 0, 1),
        1.0,
        0.5,
    ),
    "Laplace": Form(
        snn.Laplace(2.0),
        lambda x: np.exp(-2 * np.abs(x)),
        lambda x: 0.5 + 0.5 * np.sign(x) * (1 - np.exp(-2 * np.abs(x))),
        1.0,
        1.0,
    ),
    "Gaussian": Form(
        snn.Gaussian(0.7),
        lambda x: normal(x, 0, 0.7),
        lambda x: stats.norm.cdf(x, scale=0.7),
        1 / (0.7 * np.sqrt(2 * np.pi)),
        1.0,
    ),
    "MultiGaussian": Form(
        snn.MultiGaussian(sigma=0.8, h=0.2, s=4.0),
        multi_gaussian,
        multi_gaussian_relaxed,
        (1.2 - 2 * (0.2 / 4) * np.exp(-1 / (2 * 16))) / (0.8 * np.sqrt(2 * np.pi)),
        0.8,
    ),
}


def _triangle_integral():
    grid = np.linspace(-2, 2, 40_001)
    return grid, integrate.cumulative_trapezoid(
        np.maximum(0, 1 - np.abs(grid) / 2), grid, initial=0
    ) / 2


SMOOTH = pytest.mark.parametrize("name", FORMS)
X = np.array([-7.3, -1.9, -0.6, -0.21, -0.05, 0.05, 0.21, 0.6, 1.9, 7.3])


def renormalised(surrogate, normalize):
    names = [n for n in inspect.signature(type(surrogate)).parameters if n != "normalize"]
    values = {n: getattr(surrogate, n) for n in names}
    return type(surrogate)(**values, normalize=normalize)


def test_all_surrogates_are_written_out_here():
    known = {
        k
        for k, v in vars(snn).items()
        if inspect.isclass(v) and issubclass(v, snn.AbstractSurrogate)
    }
    assert known == {*FORMS, "AbstractSurrogate", "StraightThrough"}


@SMOOTH
def test_slope_and_relaxation_are_those_of_the_literature(name):
    form = FORMS[name]
    slope, relaxed = jax.jit(
        lambda x: (form.surrogate.slope(x), form.surrogate.relaxed(x))
    )(X)
    np.testing.assert_allclose(slope, form.slope(X), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(relaxed, form.relaxed(X), rtol=1e-9, atol=1e-14)


@SMOOTH
@pytest.mark.parametrize("normalize", [None, "peak", "area"])
def test_slope_is_the_scaled_derivative_with_the_stated_peak_and_area(name, normalize):
    form = FORMS[name]
    surrogate = renormalised(form.surrogate, normalize)
    h = 1e-6
    slope, scale, peak, stated, up, down = jax.jit(
        lambda s, x: (
            s.slope(x),
            s.scale,
            s.peak,
            s.area,
            s.relaxed(x + h),
            s.relaxed(x - h),
        )
    )(surrogate, X)
    np.testing.assert_allclose(slope, scale * (up - down) / (2 * h), rtol=1e-6, atol=1e-9)
    factor = {None: 1.0, "peak": 1 / form.peak, "area": 1 / form.area}[normalize]
    np.testing.assert_allclose(slope, factor * form.slope(X), rtol=1e-12, atol=1e-15)
    assert float(peak) == pytest.approx(factor * form.peak, rel=1e-12)
    assert float(stated) == pytest.approx(factor * form.area, rel=1e-12)
    area = sum(
        integrate.quad(lambda x: factor * form.slope(np.asarray(x)), a, b, epsabs=1e-11)[0]
        for a, b in (
            (-np.inf, -3.0),
            (-3.0, -0.25),
            (-0.25, 0),
            (0, 0.25),
            (0.25, 3),
            (3, np.inf),
        )
    )
    assert area == pytest.approx(float(stated), rel=1e-8)


@SMOOTH
def test_relaxation_rises_from_0_to_1(name):
    surrogate = FORMS[name].surrogate
    relaxed = jax.jit(lambda x: surrogate.relaxed(x))
    far = np.array([-1e30, -1e9, 0, 1e9, 1e30])
    y = np.asarray(relaxed(np.concatenate([np.linspace(-60, 60, 2401), far])))
    y, far = y[:2401], y[2401:]
    assert y[1200] == pytest.approx(0.5, abs=1e-15)
    np.testing.assert_allclose(far, [0, 0, 0.5, 1, 1], atol=1e-8)
    np.testing.assert_allclose(y + y[::-1], 1, atol=1e-14)
    if name == "MultiGaussian":
        assert y.min() < -0.01 and y.max() > 1.01
    else:
        assert np.all(np.diff(y) >= 0)
        assert y.min() >= 0 and y.max() <= 1


@SMOOTH
def test_gradient_of_a_spike_at_the_threshold_and_far_off(name):
    threshold = snn.Threshold(0.0, FORMS[name].surrogate)
    slope = jax.jit(jax.vmap(jax.grad(threshold)))(np.array([-1e30, 0.0, 1e30]))
    np.testing.assert_allclose(slope, [0, FORMS[name].peak, 0], rtol=1e-12, atol=1e-12)


def test_straight_through():
    threshold = snn.Threshold(-50.0, snn.StraightThrough())
    v = jnp.array([-90.0, -50.0, 30.0])
    np.testing.assert_array_equal(threshold(v), [0, 1, 1])
    np.testing.assert_array_equal(jax.vmap(jax.grad(threshold))(v), [1, 1, 1])
    assert (float(snn.StraightThrough().peak), snn.StraightThrough().area) == (1, np.inf)
    assert float(snn.StraightThrough(normalize="peak").peak) == 1
    with pytest.raises(ValueError, match=r"no finite area\. Use normalize='peak'"):
        snn.StraightThrough(normalize="area")
    with pytest.raises(ValueError, match=r"no relaxation between 0 and 1.* SuperSpike"):
        snn.relax(threshold)(v)


def test_refuses_surrogates_that_are_none():
    with pytest.raises(
        ValueError, match=r"SuperSpike\.beta must be above 0 per unit of v, got -1"
    ):
        snn.SuperSpike(-1.0)
    with pytest.raises(ValueError, match=r"Boxcar\.width must be above 0"):
        snn.Boxcar(0.0)
    with pytest.raises(ValueError, match=r"MultiGaussian\.h must be at most 0.9"):
        snn.MultiGaussian(h=1.0)
    with pytest.raises(
        ValueError, match=r"Sigmoid\.normalize must be one of .* Did you mean 'peak'"
    ):
        snn.Sigmoid(normalize="peek")
    with pytest.raises(ValueError, match=r"StraightThrough\.normalize must be one of"):
        snn.StraightThrough(normalize="peek")
    with pytest.raises(ValueError, match=r"Threshold\.level must be finite in mV, got nan"):
        snn.Threshold(np.nan)


# The threshold


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_spikes_and_their_gradient_in_either_dtype(dtype):
    threshold = snn.Threshold(jnp.asarray(-50.0, dtype), snn.SuperSpike(2.0))
    v = jnp.array([-51.5, -50.0, -48.0], dtype)
    spikes, tangent, backwards, each = jax.jit(
        lambda v: (
            *jax.jvp(threshold, (v,), (jnp.ones_like(v),)),
            jax.vjp(threshold, v)[1](jnp.ones_like(v))[0],
            jax.vmap(jax.grad(threshold))(v),
        )
    )(v)
    np.testing.assert_array_equal(spikes, [0, 1, 1])  # fires where v is at the level, too
    expected = [1 / (1 + 2 * 1.5) ** 2, 1, 1 / (1 + 2 * 2.0) ** 2]
    np.testing.assert_allclose(tangent, expected, rtol=1e-6)
    np.testing.assert_array_equal(backwards, tangent)
    np.testing.assert_array_equal(each, tangent)
    assert {spikes.dtype, tangent.dtype, backwards.dtype} == {jnp.dtype(dtype)}


def test_a_float32_neuron_may_have_a_float64_surrogate():
    threshold = snn.Threshold(
        jnp.float32(-50.0)
    )  # beta has the default dtype, float64 here
    assert jax.grad(threshold)(jnp.float32(-50.0)).dtype == jnp.float32


def test_gradient_also_reaches_the_level():
    fire = lambda level: snn.Threshold(level, snn.SuperSpike(2.0))(-51.5)
    assert float(jax.grad(fire)(-50.0)) == pytest.approx(-1 / 16)
    moving = lambda level: snn.Threshold(0.0, snn.SuperSpike(2.0))(
        jnp.asarray(-51.5), level
    )
    assert float(jax.grad(moving)(-50.0)) == pytest.approx(-1 / 16)
    beta = lambda beta: snn.Threshold(-50.0, snn.SuperSpike(beta))(jnp.asarray(-51.5))
    assert jax.grad(beta)(2.0) == 0


def test_one_level_a_neuron_and_gradients_of_gradients():
    threshold = snn.Threshold([-50.0, -40.0], snn.Sigmoid(1.0))
    np.testing.assert_array_equal(threshold(jnp.array([-45.0, -45.0])), [1, 0])
    one = snn.Threshold(0.0, snn.Sigmoid(1.0))
    second = jax.grad(jax.grad(one))(0.7)  # the slope is an ordinary function
    sigmoid = 1 / (1 + np.exp(-0.7))
    assert float(second) == pytest.approx(
        sigmoid * (1 - sigmoid) * (1 - 2 * sigmoid), rel=1e-12
    )


def test_smooth_threshold_is_the_relaxation():
    sharp = snn.LIF(threshold=snn.Threshold(-50.0, snn.Sigmoid(2.0)))
    smooth = snn.relax({"cells": [sharp]})["cells"][0]
    assert smooth.threshold.smooth and not sharp.threshold.smooth
    assert float(smooth.threshold(-51.0)) == pytest.approx(1 / (1 + np.exp(2)), rel=1e-12)
    assert not snn.relax(smooth, False).threshold.smooth


def test_upward_crossing():
    before, after = (
        jnp.array([-1.0, -1.0, 0.0, 1.0, -2.0]),
        jnp.array([0.0, 1.0, 1.0, 2.0, -1.0]),
    )
    np.testing.assert_array_equal(snn.upward_crossing(before, after, 0.0), [1, 1, 0, 0, 0])
    loss = lambda b, a, level: snn.upward_crossing(b, a, level).sum()
    for grad in jax.grad(loss, (0, 1, 2))(before, after, 0.0):
        np.testing.assert_array_equal(grad, jnp.zeros_like(grad))
    ones = (jnp.ones(5), jnp.ones(5), 1.0)
    assert jax.jvp(loss, (before, after, 0.0), ones)[1] == 0
    assert snn.upward_crossing(jnp.float32(-1), jnp.float32(1), 0.0).dtype == jnp.float32


# Resets


@pytest.mark.parametrize("blend", [mix, mix_attached])
def test_mix_is_exact_at_0_and_1_and_convex_between(blend):
    fired, silent = jnp.float32(-65.1), jnp.float32(1e8)
    assert (
        blend(jnp.float32(1), fired, silent) == fired
    )  # not silent + 1 * (fired - silent)
    assert blend(jnp.float32(0), fired, silent) == silent
    assert blend(1.0, 3.0, jnp.nan) == 3.0 and blend(0.0, jnp.inf, 2.0) == 2.0
    assert float(blend(0.25, 3.0, 7.0)) == 6.0


@pytest.mark.parametrize(("s", "d_fired"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25)])
def test_gradients_of_mix(s, d_fired):
    grad = lambda f: [float(g) for g in jax.grad(f, (0, 1, 2))(s, 3.0, 7.0)]
    attached = grad(lambda s, a, b: mix_attached(s, a, b))
    assert attached == [-4.0, d_fired, 1 - d_fired]
    assert grad(mix) == [-4.0 if 0 < s < 1 else 0.0, d_fired, 1 - d_fired]


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("mode", ["value", "subtract", "none"])
def test_reset_and_its_gradient(mode, detach):
    """One step of a LIF without refractory time that ends 1 mV above its level."""
    surrogate = snn.SuperSpike(2.0)
    lif = snn.LIF(
        t_ref=None, reset_mode=mode, detach_reset=detach, v_reset=-70.0, e_l=-60.0,
        threshold=snn.Threshold(-55.0, surrogate),
    )  # fmt: skip
    dt = 0.1
    decay = np.exp(-dt / 10)
    start = (-54.0 + 60.0) / decay - 60.0  # decays to -54 in one step
    after = lambda v: lif.step(lif.init()._replace(v=v), jnp.zeros(()), dt)[0].v
    jump = {"value": -16.0, "subtract": -15.0, "none": 0.0}[mode]
    assert float(after(start)) == pytest.approx(-54 + jump, rel=1e-12)
    through = {"value": 0.0, "subtract": 1.0, "none": 1.0}[mode]
    spike_slope = 1 / (1 + 2 * 1.0) ** 2
    expected = decay * (through + (0 if detach else jump * spike_slope))
    assert float(jax.grad(after)(start)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mode", ["value", "subtract"])
def test_gradient_of_the_relaxed_recurrent_network_is_that_of_finite_differences(mode, key):
    n, dt = 3, 0.5
    threshold = snn.Threshold(-55.0, snn.Sigmoid(0.8))
    lif = snn.LIF(t_ref=None, reset_mode=mode, detach_reset=False, threshold=threshold)
    weight = 30 * jax.random.normal(key, (n, n))
    drive = 230 + 60 * jax.random.normal(jax.random.fold_in(key, 1), (40, n))

    def loss(weight, tau_m):
        cells = snn.relax(snn.LIF(
            tau_m, t_ref=None, reset_mode=mode, detach_reset=False, threshold=lif.threshold
        ))  # fmt: skip
        record = [snn.Trace(), snn.Trace("neuron.v")]
        spikes, v = snn.simulate(snn.Recurrent(cells, weight), drive, dt, record=record).ys
        return jnp.sum(spikes * jnp.arange(40)[:, None]) / 40 + 1e-3 * jnp.sum(v**2)

    values = jax.jit(jax.vmap(loss))
    w, h, i = 1e-2, 1e-4, (1, 2)
    moved = jnp.stack([weight.at[i].add(w), weight.at[i].add(-w), weight, weight])
    taus = jnp.array([10.0, 10.0, 10.0 + h, 10.0 - h])
    up_w, down_w, up_tau, down_tau = values(moved, taus)
    d_weight, d_tau = jax.jit(jax.grad(loss, (0, 1)))(weight, 10.0)
    assert abs(d_weight[i]) > 1e-4 and abs(d_tau) > 1e-2
    assert float(d_weight[i]) == pytest.approx(float(up_w - down_w) / (2 * w), rel=1e-6)
    assert float(d_tau) == pytest.approx(float(up_tau - down_tau) / (2 * h), rel=1e-6)


def test_refractory_time_holds_v_and_silences():
    lif = snn.LIF(t_ref=1.0)
    sol = snn.simulate(
        lif, 1e4, 0.1, n_steps=60, record=dict(v=snn.Trace("v"), s=snn.Trace())
    )
    at = np.flatnonzero(sol.ys["s"])
    assert np.all(np.diff(at) == 13)  # 10 steps of waiting and 3 of climbing
    held = np.concatenate([np.arange(i, i + 11) for i in at if i + 11 <= 60])
    np.testing.assert_array_equal(np.asarray(sol.ys["v"])[held], -75.0)
