"""Rates, gates and channels, and the noise of a finite number of channels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.neurons.kinetics import Exponential, Gate, LinearExponential, Logistic
from tests.reference_neurons import squid_rates, traub_miles_rates

GRID = np.linspace(-80.0, 80.0, 16001)


def test_rates_are_those_of_the_papers():
    squid = snn.kinetics.hodgkin_huxley_1952(0.0)
    miles = snn.kinetics.traub_miles(0.0)
    for kinetics, formulas in ((squid, squid_rates), (miles, traub_miles_rates)):
        gates = [kinetics["na"]["m"], kinetics["na"]["h"], kinetics["k"]["n"]]
        assert [g.power for g in gates] == [3, 1, 4]
        for v in (-70.0, -3.0, 0.0, 10.0, 13.0, 15.0, 25.0, 40.0, 90.0):
            for gate, expected in zip(gates, formulas(v), strict=True):
                np.testing.assert_allclose(gate.rates(jnp.asarray(v)), expected, rtol=1e-12)


def test_shifted_kinetics_are_the_same_kinetics():
    v = jnp.linspace(-60.0, 60.0, 7)
    zero, absolute = snn.HodgkinHuxley.rest_zero(), snn.HodgkinHuxley()
    for x, curve in zero.steady_states(v).items():
        np.testing.assert_allclose(absolute.steady_states(v - 65)[x], curve, rtol=1e-10)


def test_steady_states_and_time_constants_of_the_squid_axon():
    cell = snn.HodgkinHuxley.rest_zero()
    at, tau = cell.steady_states(jnp.asarray(GRID)), cell.time_constants(jnp.asarray(GRID))
    zero = len(GRID) // 2
    for x, value in {"m": 0.0529, "h": 0.5961, "n": 0.3177}.items():
        assert at[x][zero] == pytest.approx(value, abs=5e-5)
    assert np.all(np.diff(at["m"]) > 0) and np.all(np.diff(at["n"]) > 0)
    assert np.all(np.diff(at["h"]) < 0)
    assert tau["m"].max() == pytest.approx(0.5, abs=0.005)
    assert tau["h"].max() == pytest.approx(8.5, abs=0.1)
    assert tau["n"].max() == pytest.approx(5.8, abs=0.1)
    warm = snn.HodgkinHuxley.rest_zero(temperature=16.3)
    np.testing.assert_allclose(
        warm.time_constants(jnp.asarray(0.0))["n"], tau["n"][zero] / 3
    )
    assert warm.steady_states(jnp.asarray(0.0))["n"] == at["n"][zero]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_linear_exponential_is_finite_with_its_gradient(dtype):
    rate = jax.tree.map(lambda x: x.astype(dtype), LinearExponential(2.0, 25.0, 10.0))
    # The grid through the singular point, its neighbours, and far out on either side.
    near = 25 + np.array(
        [0, 1e-30, 1e-7, -1e-6, 1e-5, 1e-4, 1e-3, -1e-2, 0.1, -0.3, 3, 5, 8]
    )
    v = jnp.asarray(np.concatenate([GRID, near, [-1e5, -3e3, -900, -500, 500, 1e5]]), dtype)
    value, slope = rate(v), jax.vmap(jax.grad(rate))(v)
    assert value.dtype == slope.dtype == dtype
    v, value, slope = (np.asarray(a, np.longdouble) for a in (v, value, slope))
    assert np.all(np.isfinite(value)) and np.all(np.isfinite(slope))
    shown = np.abs(v) < 500
    x = ((v - 25) / 10)[shown]
    near = np.abs(x) < 1e-4
    y = np.where(near, 1.0, x)
    rise = -np.expm1(-y)  # 1 - exp(-x)
    exact = np.where(near, 1 + x / 2 + x**2 / 12, y / rise)
    gradient = np.where(near, 0.5 + x / 6, (rise - y * np.exp(-y)) / rise**2)
    eps = float(jnp.finfo(dtype).eps)
    # Rounding of x, relative to 1, moves exp(x) by as much times |x|.
    tolerance = 8 * eps * (1 + np.abs(x))
    assert np.all(np.abs(value[shown] / 2 / exact - 1) < tolerance)
    assert np.all(np.abs(slope[shown] * 5 - gradient) < 8 * tolerance)


def test_gates_by_rates_and_by_steady_state_agree():
    alpha, beta = Exponential(0.1, -50.0, 20.0), Exponential(0.3, -50.0, -20.0)
    by_rates = Gate(alpha, beta)
    v, x = jnp.linspace(-80.0, 20.0, 9), jnp.linspace(0.0, 1.0, 9)
    tau = lambda v: 1 / (alpha(v) + beta(v))
    x_inf = lambda v: alpha(v) / (alpha(v) + beta(v))
    by_curves = snn.kinetics.SteadyStateGate(x_inf, tau)
    np.testing.assert_allclose(by_curves.slope(x, v), by_rates.slope(x, v), atol=1e-14)
    expected = (by_rates.steady_state(v) - x) / by_rates.time_constant(v)
    np.testing.assert_allclose(by_rates.slope(x, v), expected, atol=1e-14)
    np.testing.assert_allclose(by_curves.time_constant(v), by_rates.time_constant(v))
    np.testing.assert_allclose(by_curves.steady_state(v), by_rates.steady_state(v))


def test_an_instantaneous_gate_takes_no_place_in_the_state():
    gate = snn.kinetics.SteadyStateGate(
        Logistic(1.0, -30.0, 5.0), power=2, instantaneous=True
    )
    channel = snn.Channel(3.0, 40.0, {"p": gate})
    assert channel.variables == {} and channel.slopes(jnp.asarray(-30.0), {}) == {}
    assert channel.current(jnp.asarray(-30.0), {}) == pytest.approx(3 * 0.25 * (-30 - 40))


def test_a_rate_over_no_voltage_is_refused():
    with pytest.raises(ValueError, match=r"Logistic\.scale must not be 0 mV"):
        Logistic(1.0, -30.0, 0.0)
    with pytest.raises(ValueError, match=r"Exponential\.rate must be finite"):
        Exponential(np.nan, -30.0, 5.0)


def test_a_gate_without_speed_is_refused():
    curve = Logistic(1.0, -30.0, 5.0)
    with pytest.raises(ValueError, match=r"needs either tau= .* or instantaneous=True"):
        snn.kinetics.SteadyStateGate(curve)
    with pytest.raises(ValueError, match=r"SteadyStateGate\.tau must be above 0 ms"):
        snn.kinetics.SteadyStateGate(curve, tau=-1.0)


# A finite number of channels.


def test_clamped_channels_vary_as_independent_ones(key):
    # Variance x (1 - x) / N. Of 3000 patches its standard error is 2.6 %: four are allowed,
    # and 1.5 % for the step.
    cell = snn.HodgkinHuxley(v_init=0.0, c=1e9, area=50.0, density_k=jnp.full(3000, 40.0))
    final = snn.simulate(
        cell, 0.0, 0.004, n_steps=1500, record=snn.SpikeCount(), key=key
    ).final
    mean = cell.steady_states(jnp.asarray(0.0))
    for x, n in {"m": 3000, "h": 3000, "n": 2000}.items():
        gate = getattr(final, x)
        p = float(mean[x])
        assert gate.var() == pytest.approx(p * (1 - p) / n, rel=0.12)
        assert gate.mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n / 3000))
    noise = np.corrcoef([final.m, final.h, final.n])
    assert np.all(np.abs(noise - np.eye(3)) < 4 / np.sqrt(3000))


def test_small_patches_fire_by_themselves(key):
    # Half a second at rest; a large membrane follows the deterministic cell.
    area = jnp.array([2.0, 20.0, 1e12])
    cell = snn.HodgkinHuxley(area=area, spike_level=0.0)
    record = {"n": snn.SpikeCount(), "v": snn.Trace("v", every=2500)}
    sol = snn.simulate(cell, 0.0, 0.02, n_steps=25_000, record=record, key=key)
    assert sol.ys["n"][0] > 15 and sol.ys["n"][1] > 2 and sol.ys["n"][2] == 0
    rest = float(snn.HodgkinHuxley().rest().v)
    assert np.abs(sol.ys["v"][:, 2] - rest).max() < 1e-2
    for x in "mhn":
        assert np.all((getattr(sol.final, x) >= 0) & (getattr(sol.final, x) <= 1))


def test_noise_is_drawn_from_the_key(key):
    cell = snn.HodgkinHuxley(area=10.0)
    assert cell.stochastic and not snn.HodgkinHuxley().stochastic
    run = eqx.filter_jit(
        lambda key: (
            snn.simulate(cell, 0.0, 0.02, n_steps=50, record=snn.Trace("m"), key=key).ys
        )
    )
    np.testing.assert_array_equal(run(key), run(key))
    assert np.all(run(key)[5:] != run(jax.random.key(1))[5:])
    assert np.ptp(np.diff(run(key))) > 0  # anew at each step
    with pytest.raises(ValueError, match="needs a key"):
        cell.init()
