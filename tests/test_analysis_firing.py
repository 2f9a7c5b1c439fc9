"""f-I curves and rheobase against closed forms and the published Hodgkin-Huxley numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax import inputs
from snnjax.analysis import fi_curve, firing_rate, rheobase


def lif_rate(current):
    drive = current / 10.0
    return 1e3 / (2.0 + 10.0 * np.log(drive / (drive - 20.0)))


def test_rate_of_the_lif_is_that_of_theory():
    currents = np.array([100.0, 200.0, 201.0, 250.0, 300.0, 500.0])
    curve = fi_curve(snn.LIF(), currents, 0.02, 2000.0)
    np.testing.assert_array_equal(curve.rate[:2], 0)
    # A count over 2 s is off by less than one spike, an interval by less than two steps.
    theory = lif_rate(currents[2:])
    np.testing.assert_allclose(curve.rate[2:], theory, rtol=0, atol=0.5)
    for rate in (curve.initial, curve.steady):
        np.testing.assert_array_equal(rate[:2], 0)
        assert np.all(np.abs(1e3 / rate[2:] - 1e3 / theory) <= 0.04)


def test_adaptation_slows_the_first_rate_down_to_the_steady_one():
    model = snn.AdaptiveLIF(tau_adapt=50.0, beta=10.0)
    curve = fi_curve(model, [300.0, 500.0], 0.05, 1000.0)
    assert np.all(curve.initial > 1.2 * curve.steady)
    for k, current in enumerate(curve.current):
        spikes = snn.simulate(model, inputs.constant(current), 0.05, duration=1000.0).ys
        steps = np.flatnonzero(spikes)
        assert curve.rate[k] == len(steps)
        assert curve.initial[k] == pytest.approx(1e3 / (0.05 * (steps[1] - steps[0])))
        assert curve.steady[k] == pytest.approx(1e3 / (0.05 * (steps[-1] - steps[-2])))


def test_discard_leaves_out_what_came_before():
    spikes = jnp.zeros(100).at[jnp.array([9, 10, 50, 99])].set(1e6)  # pA: fires at once
    model = snn.LIF(t_ref=None)
    rate = lambda discard: firing_rate(model, spikes, 1.0, 100.0, discard)
    assert rate(0.0) == pytest.approx(40.0)
    assert rate(10.0) == pytest.approx(3 / 0.09)  # step 10 starts at 10 ms
    assert rate(11.0) == pytest.approx(2 / 0.089)


def test_rates_of_a_sweep_compile_once_and_equal_single_runs():
    traces = []

    @jax.jit
    @jax.vmap
    def rate(tau_m, current):
        traces.append(1)
        return firing_rate(snn.LIF(tau_m=tau_m), current, 0.1, 200.0, 100.0)

    tau_m, current = jnp.linspace(5.0, 20.0, 7), jnp.linspace(210.0, 400.0, 7)
    together = rate(tau_m, current)
    rate(tau_m + 1, current)
    assert len(traces) == 1
    alone = [
        firing_rate(snn.LIF(tau_m=t), i, 0.1, 200.0, 100.0)
        for t, i in zip(tau_m, current, strict=True)
    ]
    np.testing.assert_array_equal(together, alone)


def test_a_cell_that_explodes_has_no_rate():
    runaway = snn.HodgkinHuxley(integrator=snn.Euler())
    assert np.isnan(firing_rate(runaway, 10.0, 0.5, 50.0))
    with (
        pytest.raises(ValueError, match="no longer finite"),
        pytest.warns(snn.StiffnessWarning),
    ):
        firing_rate(runaway, 10.0, 0.5, 50.0, throw=True)


def test_rheobase_of_a_population():
    model = snn.LIF(g_l=np.array([10.0, 20.0]), tau_m=5.0)
    found = rheobase(model, (0.0, 1000.0), 0.1, 100.0, tolerance=0.01)
    np.testing.assert_allclose(found, [200.0, 400.0], rtol=0, atol=0.02)


@pytest.mark.parametrize("width", [1.0, 4.0])
def test_strength_and_duration_of_a_pulse(width):
    # A pulse that ends at threshold: (level - e_l) = I / g_l (1 - exp(-width / tau_m)).
    found = rheobase(snn.LIF(), (100.0, 4000.0), 0.1, 10.0, width=width, tolerance=0.01)
    assert found == pytest.approx(200.0 / -np.expm1(-width / 10.0), abs=0.02)


def test_rheobase_runs_under_jit_with_a_concrete_bracket():
    find = lambda g: rheobase(snn.LIF(g_l=g, tau_m=5.0), (0.0, 350.0), 0.1, 80.0)
    assert jax.jit(find)(10.0) == pytest.approx(200.0, abs=0.01)
    down = lambda g: rheobase(snn.LIF(g_l=g), (350.0, 0.0), 0.1, 80.0)
    with pytest.raises(ValueError, match="high - low must be above 0"):
        jax.jit(down)(10.0)


def test_rheobase_runs_under_vmap():
    g_l = jnp.array([10.0, 15.0])
    find = lambda g: rheobase(
        snn.LIF(g_l=g, tau_m=5.0), (0.0, 350.0), 0.1, 80.0, tolerance=0.1
    )
    np.testing.assert_allclose(jax.vmap(find)(g_l), 20.0 * g_l, rtol=0, atol=0.2)


def test_hodgkin_huxley_fires_repetitively_and_once():
    cell = snn.HodgkinHuxley.rest_zero(integrator=snn.RK4())
    pulse = rheobase(cell, (6.5, 7.5), 0.02, 25.0, width=1.0, tolerance=1e-3)
    assert pulse == pytest.approx(6.921, abs=2e-3)


@pytest.mark.slow
def test_onset_of_repetitive_firing_of_hodgkin_huxley():
    # Peaks shrink as the current grows: at 80 uA/cm2 they stay below the usual level.
    cell = snn.HodgkinHuxley.rest_zero(spike_level=45.0, integrator=snn.RK4())
    onset = rheobase(cell, (6.0, 6.5), 0.025, 3000.0, 2500.0, tolerance=1e-3)
    assert onset == pytest.approx(6.264, abs=2e-3)
    curve = fi_curve(cell, [6.27, 10.0, 30.0, 80.0], 0.01, 1000.0, 500.0)
    np.testing.assert_allclose(curve.steady, [51.1, 68.32, 98.7, 137.0], rtol=3e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: firing_rate(snn.LIF(), 1.0, 0.1, 10.0, 10.0),
            "discard=10 ms leaves nothing",
        ),
        (lambda: firing_rate(snn.LIF(), 1.0, 0.3, 10.0), "whole number of steps"),
        (
            lambda: firing_rate(snn.LIF(), 1.0, 0.1, 10.0, -1.0),
            "discard must be at least 0 ms",
        ),
        (lambda: fi_curve(snn.LIF(), 3.0, 0.1, 10.0), "fi_curve.currents must be a list"),
        (
            lambda: rheobase(snn.LIF(), (0.0, 100.0), 0.1, 50.0),
            "must be silent at its first",
        ),
        (
            lambda: rheobase(snn.LIF(), (300.0, 400.0), 0.1, 50.0),
            "must be silent at its first",
        ),
        (
            lambda: rheobase(snn.LIF(), (400.0, 300.0), 0.1, 50.0),
            "high - low must be above 0",
        ),
        (
            lambda: jax.jit(lambda i: rheobase(snn.LIF(), (0.0, i), 0.1, 5.0))(3.0),
            "rheobase.bracket must be concrete",
        ),
        (
            lambda: jax.jit(lambda i: rheobase(snn.LIF(), (np.nan, i), 0.1, 5.0))(3.0),
            "rheobase.bracket must be concrete",
        ),
        (
            lambda: jax.jit(
                lambda x: rheobase(snn.LIF(), (0.0, 300.0), 0.1, 5.0, tolerance=x)
            )(3.0),
            "rheobase.tolerance must be concrete",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
