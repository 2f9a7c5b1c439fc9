"""Equilibria, stability and nullclines against closed forms and published bifurcations."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import snnjax as snn
from snnjax.analysis import classify, fixed_points, nullclines, phase_plane

ML = dict(v=(-80.0, 60.0))
CLASSIC = dict(v=(-3.0, 3.0))


def kinds(points):
    return [p.kind for p in points]


@pytest.mark.parametrize("current", [0.0, 30.0])
def test_morris_lecar_rests_with_three_equilibria_up_to_30(current):
    points = fixed_points(snn.MorrisLecar(), current, **ML)
    assert kinds(points) == ["stable node", "saddle", "unstable focus"]
    assert points[0].values["v"] < points[1].values["v"] < points[2].values["v"]


def test_morris_lecar_cycles_at_40_and_rests_depolarised_at_100():
    assert kinds(fixed_points(snn.MorrisLecar(), 40.0, **ML)) == ["unstable focus"]
    assert kinds(fixed_points(snn.MorrisLecar(), 100.0, **ML)) == ["stable focus"]


@pytest.mark.parametrize("current", [-5.0, 0.0, 3.9, 4.1])
def test_izhikevich_equilibria_are_the_roots_of_a_parabola(current):
    points = fixed_points(snn.Izhikevich(), current, v=(-100.0, 40.0))
    roots = np.sort(np.roots([0.04, 4.8, 140.0 + current]))  # u = 0.2 v
    if current > 4:
        assert points == [] and np.iscomplex(roots).any()
        return
    np.testing.assert_allclose([p.values["v"] for p in points], roots, rtol=1e-9)
    np.testing.assert_allclose([p.values["u"] for p in points], 0.2 * roots, rtol=1e-9)
    for p, v in zip(points, roots, strict=True):
        matrix = np.array([[0.08 * v + 5, -1], [0.004, -0.02]])
        expected = np.sort_complex(np.linalg.eigvals(matrix))
        np.testing.assert_allclose(np.sort_complex(p.eigenvalues), expected, rtol=1e-9)


def test_izhikevich_rests_at_minus_70_and_minus_14():
    rest = fixed_points(snn.Izhikevich(), v=(-100.0, 40.0))[0]
    assert rest.stable and rest.kind == "stable node"
    assert rest.values == pytest.approx({"v": -70.0, "u": -14.0})


def hopf(model, low, high, v):
    growth = lambda i: max(fixed_points(model, i, v=v)[0].eigenvalues.real)
    return brentq(growth, low, high, xtol=1e-8)


def test_hopf_bifurcations_of_fitzhugh_nagumo():
    # The trace of the matrix vanishes at v^2 = 1 - 0.08 * 0.8.
    v = np.sqrt(1 - 0.064) * np.array([-1, 1])
    exact = (v + 0.7) / 0.8 - v + v**3 / 3
    model = snn.FitzHughNagumo.classic()
    found = hopf(model, 0.2, 0.5, (-3, 3)), hopf(model, 1.2, 1.6, (-3, 3))
    np.testing.assert_allclose(found, exact, atol=1e-7)
    np.testing.assert_allclose(found, [0.3313, 1.4187], atol=5e-5)


def test_hopf_bifurcations_of_hodgkin_huxley():
    model = snn.HodgkinHuxley.rest_zero()
    assert hopf(model, 5.0, 15.0, (-20, 80)) == pytest.approx(9.779, abs=2e-3)
    assert hopf(model, 140.0, 170.0, (-20, 80)) == pytest.approx(154.5, abs=0.05)
    (rest,) = fixed_points(model, v=(-20, 80))
    assert rest.values["m"] == pytest.approx(0.0529, abs=1e-4) and rest.stable


def test_an_equilibrium_where_recovery_ignores_itself():
    # u' = a b (v - v_u): the matrix of u alone is singular.
    model = snn.Izhikevich(u_decay=0.0, b=1.0, v_u=-60.0)
    (point,) = fixed_points(model, v=(-100.0, 40.0))
    assert point.values == pytest.approx({"v": -60.0, "u": 0.04 * 3600 - 300 + 140})


@pytest.mark.parametrize(
    ("eigenvalues", "kind"),
    [
        ([-1, -2], "stable node"),
        ([1, 2], "unstable node"),
        ([-1, 2], "saddle"),
        ([-1 + 1j, -1 - 1j], "stable focus"),
        ([1 + 1j, 1 - 1j], "unstable focus"),
        ([1j, -1j], "non-hyperbolic"),
        ([0, -1], "non-hyperbolic"),
        ([-5, 1 + 1j, 1 - 1j], "saddle-focus"),
        ([-5, -1 + 1j, -1 - 1j], "stable focus"),
    ],
)
def test_names_of_equilibria(eigenvalues, kind):
    assert classify(eigenvalues) == kind


def test_nullclines_of_fitzhugh_nagumo_are_a_cubic_and_a_line():
    lines = nullclines(snn.FitzHughNagumo.classic(), 0.5, v=(-2.5, 2.5), w=(-1.5, 2.5))
    v, w = np.moveaxis(lines["v"], -1, 0)
    np.testing.assert_allclose(w, v - v**3 / 3 + 0.5, atol=1e-12)
    v, w = np.moveaxis(lines["w"], -1, 0)
    np.testing.assert_allclose(v, 0.8 * w - 0.7, atol=1e-12)
    # Without gaps: only the outer two ends belong to an odd number of segments.
    for segments in lines.values():
        ends = np.round(segments.reshape(-1, 2), 9)
        _, count = np.unique(ends, axis=0, return_counts=True)
        assert np.sum(count % 2) == 2


def test_a_nullcline_that_turns_back():
    model = snn.Izhikevich(quadratic=1.0, linear=0.0, constant=0.0, b=0.0)
    lines = nullclines(model, -1.0, v=(-2.0, 2.0), u=(-1.0, 2.0), points=40)
    v, u = np.moveaxis(lines["v"], -1, 0)
    np.testing.assert_allclose(u, v**2 - 1.0, atol=1e-12)
    assert v.min() < -1.7 and v.max() > 1.7


def test_phase_plane_holds_what_its_parts_give():
    model = snn.MorrisLecar()
    plane = phase_plane(model, 30.0, v=(-80, 60), n=(0, 1), arrows=5)
    assert list(plane.bounds) == ["v", "n"] and plane.current == 30.0
    assert kinds(plane.fixed_points) == ["stable node", "saddle", "unstable focus"]
    v, n = np.meshgrid(plane.grid["v"], plane.grid["n"])
    state = model.rest()._replace(v=jnp.asarray(v), n=jnp.asarray(n))
    for name, slope in model.derivative(state, 30.0).items():
        np.testing.assert_allclose(plane.field[name], slope, rtol=1e-12)
    # Equilibria outside the picture are left out.
    assert len(phase_plane(model, 30.0, v=(-80, 60), n=(0.1, 1)).fixed_points) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nullclines(snn.HodgkinHuxley(), v=(0, 1), m=(0, 1)), "two variables"),
        (
            lambda: nullclines(snn.MorrisLecar(), v=(0, 1)),
            r"v=\(low, high\), n=\(low, high\)",
        ),
        (lambda: phase_plane(snn.MorrisLecar(), v=(0, 1), w=(0, 1)), "bounds of both"),
        (lambda: fixed_points(snn.MorrisLecar(), v=(1, 0)), "range of v must rise"),
        (lambda: fixed_points(snn.MorrisLecar(c=[1.0, 2.0]), v=(0, 1)), "takes one neuron"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
