"""`solve`: spike times and voltages against closed forms, SciPy and finite differences."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import snnjax as snn
from snnjax import inputs
from snnjax.core.neuron import AbstractFiringNeuron, AbstractNeuron
from snnjax.core.parameters import parameter
from snnjax.core.solve import solve
from snnjax.core.threshold import Threshold, upward_crossing
from snnjax.core.trajectory import error_norm
from snnjax.neurons.adaptive_lif import AdaptiveLIF


class QuadraticState(NamedTuple):
    v: Any
    refractory: Any


class Quadratic(AbstractFiringNeuron[QuadraticState]):
    """tau dv/dt = v^2 + current, from -infinity to infinity in pi tau / sqrt(current)."""

    tau: Any = parameter(10.0, "ms", above=0)

    def rest(self):
        return QuadraticState(self.v_reset, self.free_to_fire())

    def derivative(self, state, current):
        return {"v": (state.v**2 + current) / self.tau}


class Turn(NamedTuple):
    v: Any
    w: Any


class Rotation(AbstractNeuron[Turn]):
    """v = sin(t), which rises through 1/2 at 30 degrees of each turn; no reset."""

    rate: Any = parameter(1.0, "1/ms", above=0)

    def rest(self):
        return Turn(0 * self.rate, 0 * self.rate + 1)

    def derivative(self, state, current):
        return {"v": self.rate * state.w, "w": -self.rate * state.v}

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, 0.5)


def lif_times(current, duration, tau=10.0, t_ref=2.0):
    """First and following spikes of the default LIF under constant `current` in pA."""
    drive = current / 10.0
    if drive <= 20:
        return np.zeros(0)
    climb = tau * np.log(drive / (drive - 20))
    return np.arange(climb, duration, climb + t_ref)


def test_spike_times_and_voltage_of_a_population_of_lif_are_exact():
    currents = np.array([[150.0, 201.0, 250.0], [300.0, 400.0, 500.0]])
    sol = solve(snn.LIF(), currents, 100.0, dt=2.5, max_spikes=40)
    assert sol.ys["v"].shape == (40, 2, 3) and sol.stats["spike_times"].shape == (40, 2, 3)
    np.testing.assert_array_equal(sol.ts, 2.5 * np.arange(1, 41))
    for place in np.ndindex(2, 3):
        expected = lif_times(currents[place], 100.0)
        times = np.asarray(sol.stats["spike_times"])[(..., *place)]
        assert sol.stats["n_spikes"][place] == len(expected)
        np.testing.assert_allclose(times[: len(expected)], expected, rtol=0, atol=1e-9)
        assert np.isnan(times[len(expected) :]).all()
        last = np.array([max([0, *(expected[expected <= t] + 2.0)]) for t in sol.ts])
        climb = -75 + currents[place] / 10 * -np.expm1(-np.maximum(sol.ts - last, 0) / 10)
        np.testing.assert_allclose(sol.ys["v"][(..., *place)], climb, rtol=0, atol=1e-8)


def test_a_step_into_overflow_is_too_long_not_undefined():
    # diffrax divides the error by the size of the values, which is inf / inf there; a step
    # with an undefined error was tried again and again, at the same length.
    assert error_norm(jnp.array([1.0, jnp.nan])) == jnp.inf
    assert error_norm({"v": jnp.array(3.0), "w": jnp.array(4.0)}) == pytest.approx(
        12.5**0.5
    )


@pytest.mark.parametrize("tau", [10.0, 1e-3])
def test_period_of_the_quadratic_neuron(tau):
    # With the short tau the first step that is tried overflows.
    model = Quadratic(tau=tau, threshold=Threshold(1e4), v_reset=-1e4)
    times = solve(model, 0.25, 20.0 * tau, max_spikes=5).stats["spike_times"]
    # What is missing of pi beyond +-1e4 is 2 sqrt(I) / 1e4.
    period = tau / 0.5 * 2 * np.arctan(1e4 / 0.5)
    np.testing.assert_allclose(times[:3], period * np.arange(1, 4), rtol=1e-8)
    assert period == pytest.approx(np.pi * tau / np.sqrt(0.25), rel=1e-4)


def test_crossings_of_a_model_without_reset_are_located_between_steps():
    sol = solve(Rotation(rate=np.array([1.0, 2.0])), 0.0, 20.0, max_spikes=10)
    for k, rate in enumerate((1.0, 2.0)):
        expected = np.arange(np.pi / 6, 20.0 * rate, 2 * np.pi) / rate
        n = len(expected)
        assert sol.stats["n_spikes"][k] == n
        np.testing.assert_allclose(sol.stats["spike_times"][:n, k], expected, atol=1e-10)
    np.testing.assert_allclose(sol.ys["v"][0], np.sin([20.0, 40.0]), atol=1e-9)


def test_steps_of_any_length_find_every_spike():
    sol = solve(snn.MorrisLecar(), inputs.step(60.0, 20.0), 300.0, max_spikes=12)
    n = int(sol.stats["n_spikes"])
    assert 7 <= n <= 9
    periods = np.diff(sol.stats["spike_times"][:n])
    np.testing.assert_allclose(periods[2:], periods[-1], atol=1e-4)
    assert periods[-1] == pytest.approx(32.2, abs=0.05)


def test_variables_that_count_terms_in_a_population():
    model = snn.GeneralisedIF(
        c_m=np.array([[100.0], [80.0]]), t_ref=2.0, jump=(-20.0, 10.0), a=0.01
    )
    sol = solve(model, 200.0, 50.0, ts=[10.0], max_spikes=9, solver=diffrax.Tsit5())
    assert sol.ys["currents"].shape == (1, 2, 2, 1) and (sol.stats["n_spikes"] > 1).all()
    spikes = snn.simulate(model, 200.0, 0.001, duration=50.0, record=snn.SpikeRaster(20)).ys
    for k in range(2):
        times = np.asarray(spikes.times)[np.asarray(spikes.indices) == k]
        found = sol.stats["spike_times"][: len(times), k, 0]
        np.testing.assert_allclose(found, times, rtol=0, atol=0.01)


def test_adaptive_threshold_against_brute_force():
    model = AdaptiveLIF(tau_adapt=30.0, beta=6.0, t_ref=3.0)
    sol = solve(model, 400.0, 80.0, max_spikes=20)
    t, theta, expected = 0.0, 0.0, []
    gap = lambda s, theta: 40 * -np.expm1(-s / 10) - 20 - theta * np.exp(-s / 30)
    while True:
        wait = 3.0 if expected else 0.0
        at_start = theta * np.exp(-wait / 30)
        t += wait + (rise := brentq(gap, 0, 200, args=(at_start,), xtol=1e-13))
        if t > 80:
            break
        theta = theta * np.exp(-(rise + wait) / 30) + 6.0
        expected.append(t)
    assert len(expected) > 3
    np.testing.assert_allclose(
        sol.stats["spike_times"][: len(expected)], expected, atol=1e-9
    )
    assert sol.stats["n_spikes"] == len(expected)


def hodgkin_huxley_1952(t, y):
    v, m, h, n = y
    trap = lambda x: 1.0 if abs(x) < 1e-9 else x / np.expm1(x)
    a_m, b_m = trap((25 - v) / 10), 4 * np.exp(-v / 18)
    a_h, b_h = 0.07 * np.exp(-v / 20), 1 / (np.exp((30 - v) / 10) + 1)
    a_n, b_n = 0.1 * trap((10 - v) / 10), 0.125 * np.exp(-v / 80)
    ionic = 120 * m**3 * h * (v - 115) + 36 * n**4 * (v + 12) + 0.3 * (v - 10.6)
    current = 10.0 if 10 <= t < 15 else 0.0
    gates = [a_m * (1 - m) - b_m * m, a_h * (1 - h) - b_h * h, a_n * (1 - n) - b_n * n]
    return [current - ionic, *gates]


def test_hodgkin_huxley_against_scipy_and_the_published_protocol():
    model = snn.HodgkinHuxley.rest_zero()
    start = model.rest()._replace(v=0.0, m=0.05, h=0.59, n=0.31)
    start = snn.RunState(jax.tree.map(jnp.asarray, start))
    sol = solve(model, inputs.step(10.0, 10.0, 15.0), 40.0, dt=0.02, state=start)
    y, pieces = [0.0, 0.05, 0.59, 0.31], []
    for begin, end in [(0, 10), (10, 15), (15, 40)]:
        ts = sol.ts[(sol.ts > begin + 1e-9) & (sol.ts < end + 1e-9)]
        # Times a hair inside the piece, as SciPy would step across the jump.
        f = lambda t, y, begin=begin, end=end: hodgkin_huxley_1952(
            np.clip(t, begin, end - 1e-9), y
        )
        tolerance = dict(method="DOP853", rtol=1e-12, atol=1e-12, max_step=0.05)
        piece = solve_ivp(f, (begin, max(end, ts[-1])), y, t_eval=ts, **tolerance)
        y = piece.y[:, -1]
        pieces.append(piece.y[0])
    np.testing.assert_allclose(sol.ys["v"], np.concatenate(pieces), rtol=0, atol=1e-7)
    assert sol.stats["n_spikes"] == 1
    assert sol.stats["spike_times"][0] == pytest.approx(11.868, abs=5e-4)
    assert sol.ys["v"].max() == pytest.approx(105.12, abs=5e-3)
    assert sol.ys["v"].min() == pytest.approx(-11.03, abs=5e-3)


def test_derivatives_of_spike_times_are_those_of_the_closed_form():
    def times(tau_m, t_ref, level, current):
        model = snn.LIF(tau_m=tau_m, t_ref=t_ref, threshold=Threshold(level))
        sol = solve(model, current, 45.0, max_spikes=5, solver=diffrax.Tsit5())
        return sol.stats["spike_times"][:3]

    def closed(tau_m, t_ref, level, current):
        climb = tau_m * jnp.log(current / (current - 10 * (level + 75)))
        return climb + jnp.arange(3) * (climb + t_ref)

    at = (10.0, 2.0, -55.0, 300.0)
    got, expected = (jax.jacfwd(f, (0, 1, 2, 3))(*at) for f in (times, closed))
    np.testing.assert_allclose(np.stack(got), np.stack(expected), rtol=1e-7, atol=1e-9)


def test_without_spikes_reverse_mode_works_and_a_function_of_time_drives():
    # tau dv/dt = -v + k sin(t)
    def v_end(k):
        drive = lambda t: 10 * k * jnp.sin(t)
        tight = dict(rtol=1e-12, atol=1e-12, solver=diffrax.Tsit5())
        return solve(snn.LIF(e_l=0.0), drive, 7.0, max_spikes=0, **tight).ys["v"][-1]

    t, w = 7.0, 10.0
    gain = (np.sin(t) - w * np.cos(t) + w * np.exp(-t / 10)) / (1 + w**2)
    v, slope = jax.value_and_grad(v_end)(3.0)
    assert v == pytest.approx(3 * gain, abs=1e-9)
    assert slope == pytest.approx(gain, abs=1e-9)


def test_a_solve_goes_on_where_another_stopped():
    model = snn.LIF(t_ref=5.0)
    climb = 10 * np.log(3)
    whole = solve(model, 300.0, 40.0)
    first = solve(model, 300.0, climb + 1.0)  # a ms into the refractory time
    rest = solve(model, 300.0, 40.0 - climb - 1.0, state=first.state)
    assert first.final.refractory == pytest.approx(4.0, abs=1e-9)
    assert (first.stats["n_spikes"], rest.stats["n_spikes"]) == (1, 1)
    later = rest.stats["spike_times"][:1] + climb + 1.0
    np.testing.assert_allclose(later, whole.stats["spike_times"][1:2], atol=1e-9)


def test_a_short_pulse_is_not_stepped_over():
    pulse = inputs.step(4000.0, 500.3, 501.3)
    stats = solve(snn.LIF(), pulse, 520.0, max_spikes=5, solver=diffrax.Tsit5()).stats
    assert stats["n_spikes"] == 1
    expected = 500.3 + 10 * np.log(400 / 380)
    assert stats["spike_times"][0] == pytest.approx(expected, abs=1e-8)


def test_simulate_converges_to_the_solution():
    model = snn.LIF(tau_m=20.0)
    reference = solve(model, inputs.sine(150.0, 10.0) + 300.0, 100.0)
    errors = []
    for dt in (0.1, 0.01):
        sol = snn.simulate(model, inputs.sine(150.0, 10.0) + 300.0, dt, duration=100.0)
        times = (np.flatnonzero(sol.ys) + 1) * dt
        assert len(times) == reference.stats["n_spikes"]
        errors.append(np.abs(times - reference.stats["spike_times"][: len(times)]).max())
    assert errors[1] < 0.2 * errors[0] < 0.1


def test_kept_times():
    model = snn.LIF()
    given = solve(model, 100.0, 20.0, ts=[0.0, 5.0], max_spikes=0)
    np.testing.assert_array_equal(given.ts, [0.0, 5.0])
    np.testing.assert_allclose(given.ys["v"], [-75, -75 - 10 * np.expm1(-0.5)], atol=1e-9)
    assert given.final.v == pytest.approx(-75 - 10 * np.expm1(-2.0), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(dt=0.1, ts=[1.0]), "not both"),
        (dict(dt=0.3), "whole number of steps"),
        (dict(ts=[3.0, 2.0]), "solve.ts must rise"),
        (dict(ts=[3.0, 20.0]), "solve.ts must rise"),
        (dict(duration=-1.0), "solve.duration must be above 0 ms"),
        (dict(current=np.nan), "solve.current must be finite"),
        (dict(current=lambda i, dt: 0.0), "function of the time"),
        (dict(state=3), "RunState"),
        (dict(model=snn.LIF(reset_mode="none")), "reset_mode='none'"),
        (dict(model=snn.HodgkinHuxley(area=100.0)), "stochastic"),
        (dict(model=jnp.sin), "must be a neuron"),
        (dict(rtol=1e-16), "solve.rtol must be at least"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = dict(model=snn.LIF(), current=300.0, duration=10.0) | change
    with pytest.raises(ValueError, match=message):
        solve(**arguments)


def test_a_solve_that_stops_early_says_so():
    with pytest.raises(ValueError, match=r"max_spikes=2\. Give more\. It happened at 3"):
        solve(snn.LIF(), 300.0, 100.0, ts=[20.0, 90.0], max_spikes=2)
    kept = solve(snn.LIF(), 300.0, 100.0, ts=[20.0, 90.0], max_spikes=2, throw=False)
    assert np.isfinite(kept.ys["v"][0]) and np.isnan(kept.ys["v"][1])
    assert kept.stats["n_spikes"] == 3 and 30 < kept.stats["reached"] < 40


def test_a_solution_that_explodes_says_so():
    with pytest.raises(ValueError, match="no longer finite"):
        solve(Quadratic(), 1.0, 100.0, max_spikes=0, max_steps=2000)
