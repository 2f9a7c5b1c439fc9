"""What a fit says of the parameters: standard errors, and what data leave open."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import snnjax as snn
from snnjax.sweeps.bind import bind
from snnjax.sweeps.fisher import fisher
from snnjax.sweeps.least_squares import Problem, jacobian_at

X = jnp.linspace(0.0, 4.0, 40)
DT = 0.05


def line(slope, offset):
    return slope * X + offset


def decay(height, tau):
    return height * jnp.exp(-X / tau)


def free_swing(model):
    """No current, from -40 mV: 15 ms in which a spike is cut short."""
    return snn.simulate(model, 0.0, DT, n_steps=300, record=snn.Trace("v"), throw=False).ys


def test_of_a_line_it_is_the_closed_form():
    sigma = 0.3
    fit = snn.fit_parameters(
        line, line(2.0, -1.0), {"slope": 1.0, "offset": 1.0}, noise=sigma
    )
    f = fit.fisher
    assert f.names == ("offset", "slope")
    x, n = np.asarray(X), len(X)
    var = np.var(x)
    # Variances and covariance of the intercept and the slope of a regression line.
    expected = sigma * np.sqrt([(1 + x.mean() ** 2 / var) / n, 1 / (n * var)])
    np.testing.assert_allclose(f.standard_errors, expected, rtol=1e-9)
    np.testing.assert_allclose(f.relative_errors, expected / [1.0, 2.0], rtol=1e-9)
    correlation = -x.mean() / np.sqrt(np.mean(x**2))
    np.testing.assert_allclose(f.correlation, [[1, correlation], [correlation, 1]])
    design = np.stack([np.ones(n), x], 1) / sigma
    np.testing.assert_allclose(f.matrix, design.T @ design, rtol=1e-9)
    scale = np.diag([-1.0, 2.0])
    np.testing.assert_allclose(f.relative, scale @ f.matrix @ scale, rtol=1e-9)
    rebuilt = f.eigenvectors @ np.diag(f.eigenvalues) @ f.eigenvectors.T
    np.testing.assert_allclose(rebuilt, f.relative, rtol=1e-9)
    assert f.eigenvalues[0] > f.eigenvalues[1]
    assert f.open == 0


@pytest.mark.parametrize("noise", [0.02, None])
def test_fits_of_noisy_copies_scatter_by_the_standard_errors(key, noise):
    true = {"height": 3.0, "tau": 1.5}
    noises = 0.02 * jax.random.normal(key, (80, len(X)))
    fits = [snn.fit_parameters(decay, decay(**true) + e, true, noise=noise) for e in noises]
    errors = np.mean([f.fisher.standard_errors for f in fits], 0)
    off = np.array([[float(f.parameters[n]) - true[n] for n in true] for f in fits])
    # Each holds but for one seed in 1000, the seed being fixed.
    chi2 = (off**2).sum(0) / errors**2
    assert np.all(chi2 < stats.chi2.ppf(0.9995, len(fits)))
    assert np.all(chi2 > stats.chi2.ppf(0.0005, len(fits)))
    spread = np.corrcoef(off.T)[0, 1]
    expected = fits[0].fisher.correlation[0, 1]
    assert abs(np.arctanh(spread) - np.arctanh(expected)) < 3.3 / np.sqrt(len(fits) - 3)
    if noise is None:
        assert np.mean([f.noise for f in fits]) == pytest.approx(0.02, rel=0.05)


def test_a_pair_that_no_data_tell_apart_is_named():
    pair = lambda gain, height, tau: gain * decay(height, tau)
    fit = snn.fit_parameters(
        pair, 2.0 * decay(3.0, 1.5), {"gain": 1.0, "height": 4.0, "tau": 1.0}, noise=0.1
    )
    f = fit.fisher
    assert f.open == 1
    assert f.open_combinations in (
        ["gain +0.71, height -0.71"],
        ["height +0.71, gain -0.71"],
    )
    assert fit.determined == {"gain": False, "height": False, "tau": True}
    assert np.isinf(f.standard_errors[:2]).all()
    # tau is as sure as with the gain known.
    alone = snn.fit_parameters(
        decay, decay(6.0, 1.5), {"height": 6.0, "tau": 1.5}, noise=0.1
    )
    assert f.standard_errors[2] == pytest.approx(alone.fisher.standard_errors[1], rel=1e-6)
    text = str(fit)
    assert "The information matrix is singular" in text
    assert text.count("not determined: another makes up for it") == 2
    assert text.count("  determined") == 1


def test_capacitance_and_conductances_of_a_cell_without_current_only_have_ratios():
    model = snn.HodgkinHuxley(v_init=-40.0)
    values = {n: getattr(model, n) for n in ("c", "e_na", "g_k", "g_l", "g_na")}
    bound = bind(free_swing, values, model, "test")
    v = free_swing(model)
    problem = Problem(bound, {}, {}, v, jnp.full_like(v, 0.5), None, None)
    jacobian = np.asarray(jacobian_at(problem, values))
    f = fisher(jacobian, np.array(list(values.values())), list(values))
    assert f.open == 1
    vector = dict(zip(f.names, abs(f.eigenvectors[:, -1]), strict=True))
    assert vector.pop("e_na") == pytest.approx(0, abs=1e-6)
    assert list(vector.values()) == pytest.approx([0.5] * 4, abs=1e-6)
    np.testing.assert_array_equal(
        np.isfinite(f.standard_errors), [n == "e_na" for n in f.names]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_counts_as_nothing(dtype):
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((200, 2))
    almost = columns @ [1.0, 1.0] * (1 + np.finfo(dtype).eps * rng.standard_normal(200))
    jacobian = np.column_stack([columns, almost]).astype(dtype)
    f = fisher(jacobian, np.ones(3, dtype), ["a", "b", "c"])
    assert f.open == 1
    assert np.isinf(f.standard_errors).all()
    assert np.isnan(f.correlation).all()
    rank_two = fisher(jacobian[:, :2], np.ones(2, dtype), ["a", "b"])
    expected = np.sqrt(np.diag(np.linalg.inv(columns.T @ columns)))
    np.testing.assert_allclose(rank_two.standard_errors, expected, rtol=1e-5)
    few = fisher(jacobian[:1], np.ones(3, dtype), ["a", "b", "c"])
    assert few.open == 2


def test_a_parameter_that_is_zero_has_no_relative_error():
    f = fisher(2.0 * np.eye(3)[:, :2], np.array([0.0, 4.0]), ["a", "b"])
    np.testing.assert_allclose(f.standard_errors, 0.5)
    np.testing.assert_allclose(f.relative_errors, [np.inf, 0.125])


def test_the_table_says_what_is_known_and_on_what_assumption():
    fit = snn.fit_parameters(
        line, line(2.0, -0.1), {"slope": 1.0, "offset": 1.0}, noise=0.3
    )
    text = str(fit).splitlines()
    assert "2 parameters, 40 data" in text[0]
    row = next(x for x in text if x.startswith("slope")).split()
    assert float(row[1]) == pytest.approx(2.0)
    assert float(row[2]) == pytest.approx(fit.fisher.standard_errors[1], rel=1e-2)
    assert row[-1] == "determined"
    assert next(x for x in text if x.startswith("offset")).endswith("hardly determined")
    assert "Cramer-Rao bound, if the noise is Gaussian, independent" in text[-1]
