"""Gradient fits of parameters: what they find, from where, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pytest
from scipy.optimize import curve_fit

import snnjax as snn
from snnjax.sweeps.fit_arguments import start_points
from snnjax.sweeps.least_squares import Problem, jacobian_at

X = jnp.linspace(0.0, 4.0, 40)


def line(slope, offset):
    return slope * X + offset


def decay(height, tau):
    return height * jnp.exp(-X / tau)


def two_valleys(a):
    """Least squares of 0 have a minimum near a = -2 and a lower one at a = 1."""
    return jnp.stack([(a - 1) * (a + 2), 0.3 * (a - 1)])


def lif_rates(tau_m, t_ref, g_l):
    """Of a LIF whose threshold is 20 mV above reset and rest, at constant currents, Hz."""
    current = jnp.linspace(250.0, 900.0, 14)  # pA
    v_inf = current / g_l
    return 1e3 / (t_ref + tau_m * jnp.log(v_inf / (v_inf - 20.0)))


@pytest.mark.parametrize("noise", [None, 0.1, "each"])
def test_a_curve_and_its_errors_are_those_of_scipy(key, noise):
    sigma = jnp.linspace(0.05, 0.2, 40) if noise == "each" else noise
    data = decay(3.0, 1.5) + 0.1 * jax.random.normal(key, X.shape)
    fit = snn.fit_parameters(decay, data, {"tau": 1.0, "height": 2.0}, noise=sigma)
    best, covariance = curve_fit(
        lambda x, height, tau: height * np.exp(-x / tau),
        *(X, data, [2.0, 1.0]),
        sigma=None if noise is None else np.broadcast_to(sigma, (40,)),
        absolute_sigma=noise is not None,
        xtol=1e-12,
    )
    found = [fit.parameters["height"], fit.parameters["tau"]]
    np.testing.assert_allclose(found, best, rtol=1e-6)
    rest = (np.asarray(decay(*best)) - np.asarray(data)) / (1.0 if noise is None else sigma)
    assert fit.loss == pytest.approx(float(np.sum(rest**2)) / 2)
    assert fit.converged
    assert fit.n_data == 40
    assert fit.model is None
    np.testing.assert_allclose(
        fit.fisher.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-4
    )


def test_rates_of_lif_cells_are_fitted_from_a_third_off():
    data = lif_rates(10.0, 2.0, 10.0)
    fit = snn.fit_parameters(
        lif_rates,
        data,
        {"tau_m": 7.0, "t_ref": 2.6, "g_l": 7.0},
        bounds={"tau_m": (1, 100), "t_ref": (0, 10), "g_l": (1, 12.4)},
        noise=1.0,
    )
    expected = {"tau_m": 10.0, "t_ref": 2.0, "g_l": 10.0}
    assert {n: float(x) for n, x in fit.parameters.items()} == pytest.approx(expected)


def test_times_of_simulated_crossings_are_fitted_to_the_closed_form():
    """`crossing_times` places them between steps, and so has a slope."""
    dt = 0.05
    current = jnp.array([300.0, 450.0, 700.0])  # pA
    drive = snn.inputs.constant(current)

    def first_spike(model):
        v = snn.simulate(
            model, drive, dt, duration=30.0, record=snn.Trace("v"), throw=False
        ).ys
        return snn.measures.crossing_times(v, level=-60.0, dt=dt, max_spikes=1)[0]

    model = snn.LIF(tau_m=13.0, g_l=7.0)
    data = 10.0 * jnp.log(current / (current - 150.0))  # ms to 15 mV above rest
    fit = snn.fit_parameters(first_spike, data, ["tau_m", "g_l"], model=model, noise=0.01)
    assert float(fit.parameters["tau_m"]) == pytest.approx(10.0, rel=1e-3)
    assert float(fit.parameters["g_l"]) == pytest.approx(10.0, rel=1e-3)
    assert float(fit.model.tau_m) == float(fit.parameters["tau_m"])
    assert float(fit.model.e_l) == float(model.e_l)


def test_more_starts_find_the_lower_valley(key):
    ask = lambda **kw: snn.fit_parameters(
        two_valleys, jnp.zeros(2), {"a": -2.5}, bounds={"a": (-4, 4)}, noise=1.0, **kw
    )
    assert float(ask().parameters["a"]) == pytest.approx(-1.9, abs=0.1)
    fit = ask(starts=6, key=key)
    assert float(fit.parameters["a"]) == pytest.approx(1.0, abs=1e-6)
    assert fit.starts.start["a"][0] == -2.5
    # One of a Latin hypercube in each fifth of the bounds.
    fifths = np.floor((fit.starts.start["a"][1:] + 4) / 8 * 5)
    np.testing.assert_array_equal(np.sort(fifths), np.arange(5))
    assert fit.starts.loss.min() == pytest.approx(fit.loss)
    assert fit.starts.loss[0] == pytest.approx(ask().loss, rel=1e-6)


def test_without_bounds_starts_reach_spread_to_each_side(key):
    start = {
        "slope": jnp.asarray(2.0),
        "w": jnp.asarray([-3.0, 5.0]),
        "g": jnp.asarray(1.0),
    }
    points = start_points(start, {"g": snn.Positive(0.9)}, 50, 0.2, key)
    for name in ("slope", "w"):
        off = points[name] / start[name] - 1
        assert off.shape == (50, *start[name].shape)
        np.testing.assert_array_equal(off[0], 0)
        assert np.all((off.min(0) > -0.2) & (off.min(0) < -0.19))
        assert np.all((off.max(0) < 0.2) & (off.max(0) > 0.19))
    # A single bound is nowhere crossed.
    assert 0.95 < points["g"].min() < 0.96
    assert points["g"].max() > 1.19


def test_a_start_that_is_not_finite_is_reported_and_harms_no_other(key):
    holed = lambda tau: jnp.where(tau > 2.5, jnp.nan, 1.0) * decay(1.0, tau)
    fit = snn.fit_parameters(
        holed,
        decay(1.0, 1.5),
        {"tau": 1.0},
        bounds={"tau": (0.5, 5)},
        starts=10,
        key=key,
        noise=0.1,
    )
    failed = fit.starts.start["tau"] > 2.5
    assert 0 < failed.sum() < 10
    np.testing.assert_array_equal(fit.starts.finite, ~failed)
    np.testing.assert_array_equal(np.isinf(fit.starts.loss), failed)
    assert not fit.starts.converged[failed].any()
    assert fit.starts.steps.max() < 50  # nobody waits for them to the end
    np.testing.assert_allclose(fit.starts.parameters["tau"][~failed], 1.5, rtol=1e-6)


def test_what_is_not_measured_does_not_count():
    data = line(2.0, -1.0).at[::3].set(jnp.nan)
    holed = lambda slope, offset: line(slope, offset).at[0].set(jnp.nan)
    fit = snn.fit_parameters(holed, data, {"slope": 1.0, "offset": 1.0}, noise=1.0)
    assert fit.n_data == 26
    assert float(fit.parameters["slope"]) == pytest.approx(2.0)
    design = np.stack([np.ones_like(X), X], 1)[~np.isnan(np.asarray(data))]
    np.testing.assert_allclose(fit.fisher.matrix, design.T @ design, rtol=1e-10)


def test_trees_arrays_and_residuals_of_your_own():
    predict = lambda w, b: {"a": w * 2.0, "b": (b, w.sum())}
    data = {"a": jnp.array([2.0, 4.0]), "b": (5.0, 3.0)}
    start = {"w": jnp.ones(2), "b": 1.0}
    fit = snn.fit_parameters(predict, data, start, noise={"a": 0.1, "b": (0.5, 1.0)})
    np.testing.assert_allclose(fit.parameters["w"], [1.0, 2.0], rtol=1e-9)
    assert fit.fisher.names == ("b", "w[0]", "w[1]")
    assert fit.fisher.matrix[0, 0] == pytest.approx(4.0)
    assert fit.fisher.matrix[1, 1] == pytest.approx(401.0)  # (2 / 0.1)^2 + 1
    own = snn.fit_parameters(
        predict,
        data,
        start,
        residual=lambda p, d: [3 * (p["b"][0] - d["b"][0]), p["a"] - 2],
    )
    assert float(own.parameters["b"]) == pytest.approx(5.0)
    np.testing.assert_allclose(own.parameters["w"], 1.0)
    assert own.n_data == 3


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        (optimistix.Dogleg(1e-10, 1e-10), 50),
        # It jumps away at the end, and what it had found is kept.
        (optax.adam(optax.piecewise_constant_schedule(0.05, {250: 100.0})), 600),
    ],
)
def test_methods_agree(method, steps):
    start = {"height": 2.0, "tau": 1.0}
    fit = snn.fit_parameters(
        decay, decay(3.0, 1.5), start, noise=0.1, method=method, steps=steps
    )
    assert fit.converged
    assert float(fit.parameters["tau"]) == pytest.approx(1.5, rel=1e-3)
    assert float(fit.parameters["height"]) == pytest.approx(3.0, rel=1e-3)


def test_a_fit_that_runs_out_of_steps_says_so():
    fit = snn.fit_parameters(
        decay, decay(3.0, 1.5), {"height": 9.0, "tau": 0.1}, noise=0.1, steps=2
    )
    assert not fit.converged
    assert "THE BEST HAS NOT CONVERGED" in str(fit)


def test_parameters_stay_within_their_bounds():
    data = decay(3.0, 1.5)
    fit = snn.fit_parameters(
        decay, data, {"height": 2.0, "tau": 1.0}, bounds={"tau": (0.1, 1.2)}, noise=0.1
    )
    assert 0.1 < float(fit.parameters["tau"]) < 1.2
    assert fit.at_bound == ("tau",)
    assert "at its bound" in str(fit)
    # Declared of the model: a conductance of at least 0, where the data pull it below.
    leak = lambda model: -model.g_l * jnp.ones(3)
    held = snn.fit_parameters(
        leak, jnp.ones(3), ["g_l"], model=snn.HodgkinHuxley(), steps=200
    )
    assert 0 < float(held.parameters["g_l"]) < 1e-4
    assert held.at_bound == ("g_l",) and "at its bound" in str(held)


def test_a_second_fit_compiles_nothing(key):
    start = {"height": 2.0, "tau": 1.0}
    calls = []

    def counted(height, tau):
        calls.append(1)
        return decay(height, tau)

    snn.fit_parameters(counted, decay(3.0, 1.5), start, noise=0.1)
    n = len(calls)
    snn.fit_parameters(counted, decay(2.0, 1.2), {"height": 1.0, "tau": 2.0}, noise=0.2)
    assert len(calls) == n + 1  # to see the shape of what it gives


def test_the_key_of_a_stochastic_prediction_is_the_same_always(key):
    noisy = lambda slope, key: slope * X + jax.random.normal(key, X.shape)
    once = snn.fit_parameters(noisy, 2.0 * X, {"slope": 1.0}, key=key, noise=1.0)
    again = snn.fit_parameters(noisy, 2.0 * X, {"slope": 1.0}, key=key, noise=1.0)
    assert float(once.parameters["slope"]) == float(again.parameters["slope"])
    assert once.converged


def test_jacobian_is_the_slope_of_compiled_residuals():
    from snnjax.sweeps.bind import bind

    values = {"height": jnp.asarray(3.0), "tau": jnp.asarray(1.5)}
    problem = Problem(
        bind(decay, values, None, "x"), {}, {}, jnp.ones(40), jnp.full(40, 0.2), None, None
    )
    jacobian = jacobian_at(problem, values)
    residuals = jax.jit(lambda values: problem.residuals(values))
    for column, name in enumerate(["height", "tau"]):
        up, down = ({**values, name: values[name] + h} for h in (1e-5, -1e-5))
        slope = (residuals(up) - residuals(down)) / 2e-5
        np.testing.assert_allclose(jacobian[:, column], slope, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"start": {"slop": 1.0, "offset": 1.0}},
            r"fit_parameters.start names 'slop'.*slope",
        ),
        ({"start": {"slope": 1.0}}, "start gives no value for offset"),
        ({"start": {}}, "at least one parameter"),
        ({"start": ["slope", "offset"]}, "names 'slope' without a value"),
        ({"start": {"slope": jnp.nan, "offset": 1.0}}, "must be finite"),
        ({"data": jnp.ones(3)}, r"shape of what predict returns, \(40,\), got \(3,\)"),
        ({"data": {"v": X}}, "shape of what predict returns"),
        ({"data": X * jnp.nan}, "holds no number"),
        ({"noise": 0.0}, "fit_parameters.noise must be above 0"),
        ({"noise": 1.0, "residual": lambda p, d: p - d}, "leave it out"),
        ({"bounds": {"slope": (2, 3)}}, "slope=1.0 must be inside its bounds"),
        ({"bounds": {"slope": (3, 2)}}, r"bounds\['slope'\] must be \(low, high\)"),
        ({"bounds": {"sloop": (0, 2)}}, "Did you mean 'slope'"),
        ({"starts": 4}, "key is needed for starts=4"),
        ({"starts": 0, "key": jax.random.key(0)}, "starts must be a whole number"),
        ({"method": "dogleq"}, "Did you mean 'dogleg'"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"predict": 3}, "fit_parameters.predict must be a function"),
        (
            {"predict": lambda slope, offset: line(slope, offset) / 0},
            "not finite at start=",
        ),
        (
            {"predict": lambda slope, offset: line(slope, offset) + jnp.sqrt(0 * slope)},
            r"slope that is not finite at \{'offset': 1.0",
        ),
        (
            {"start": {"slope": 0.0, "offset": 1.0}, "starts": 2, "key": jax.random.key(0)},
            "needs .* of slope: it starts at 0",
        ),
    ],
)
def test_bad_input_is_refused(change, words):
    asked = {"predict": line, "data": X, "start": {"slope": 1.0, "offset": 1.0}, **change}
    with pytest.raises(ValueError, match=words):
        snn.fit_parameters(**asked)
