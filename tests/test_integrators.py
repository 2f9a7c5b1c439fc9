"""How continuous variables advance: orders, exactness, the input seen as a function of v."""

import math
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.core.integrators import flow, own_slopes, phi1
from snnjax.core.neuron import integrate_with
from tests.toys import Oscillation, Oscillator, Relaxation

# phi1


def exact_phi1(x: float) -> tuple[float, float]:
    """(exp(x) - 1) / x and its derivative from their power series, in rational arithmetic."""
    x, value, slope = Fraction(x), Fraction(0), Fraction(0)
    for k in reversed(range(40)):
        value = value * x + Fraction(1, math.factorial(k + 1))
        slope = slope * x + Fraction(k + 1, math.factorial(k + 2))
    return float(value), float(slope)


@jax.jit
def phi1_and_slopes(x):
    value, forwards = jax.jvp(phi1, (x,), (jnp.ones_like(x),))
    return value, forwards, jax.vmap(jax.grad(phi1))(x)


@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 1e-6), (np.float64, 2e-15)])
def test_phi1_and_its_gradient_have_full_precision(dtype, error):
    size = np.concatenate(
        [[0.0], 10.0 ** np.linspace(-12, 0.5, 400), [1e-2, 0.999999, 1.0]]
    )
    x = np.concatenate([size, -size]).astype(dtype)
    value, slope = np.array([exact_phi1(float(v)) for v in x]).T
    got, forwards, backwards = phi1_and_slopes(x)
    np.testing.assert_allclose(got, value, rtol=error)
    np.testing.assert_allclose(forwards, slope, rtol=error)
    np.testing.assert_allclose(backwards, slope, rtol=error)
    assert got.dtype == forwards.dtype == backwards.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_phi1_far_from_zero(dtype):
    x = np.array([-1e4, -80.0, -25.0, 25.0, 80.0, 1e-40], dtype)
    got, _, slope = (y.astype(float) for y in phi1_and_slopes(x))
    x = x[:5].astype(float)
    exact = np.expm1(x) / x
    np.testing.assert_allclose(got, [*exact, 1], rtol=1e-5)
    np.testing.assert_allclose(slope, [*(np.exp(x) - exact) / x, 0.5], rtol=1e-5)


def test_second_derivative_of_phi1():
    second = jax.jit(jax.vmap(jax.grad(jax.grad(phi1))))(
        jnp.array([0.0, 1e-3, -0.9, 1.1, -5.0])
    )
    k = np.arange(2, 60)
    coefficients = k * (k - 1) / np.array([math.gamma(j + 2) for j in k])
    series = lambda x: np.sum(coefficients * x ** (k - 2.0))
    np.testing.assert_allclose(
        second, [series(x) for x in (0.0, 1e-3, -0.9, 1.1, -5.0)], rtol=1e-9
    )


# Orders of convergence


def end(integrator, dt, duration=4.0):
    sol = snn.simulate(
        Oscillator(integrator=integrator),
        0.8,
        dt,
        duration=duration,
        record=snn.SpikeCount(),
    )
    return np.array([sol.final.v, sol.final.w])


@pytest.fixture(scope="module")
def truth():
    return end(snn.RK4(), 1 / 512)


@pytest.mark.parametrize(
    ("integrator", "order"),
    [
        (snn.Euler(), 1),
        (snn.SequentialEuler(("v", "w")), 1),
        (snn.SequentialEuler(("v", "v", "w")), 1),
        (snn.ExponentialEuler(), 1),
        (snn.Heun(), 2),
        (snn.Midpoint(), 2),
        (snn.RK4(), 4),
    ],
    ids=lambda x: type(x).__name__,
)
def test_order_of_convergence(integrator, order, truth):
    errors = [np.abs(end(integrator, dt) - truth).max() for dt in (1 / 16, 1 / 32)]
    assert errors[1] > 1e-10  # not rounding
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


# One step by hand


def one(integrator, v=0.4, w=-0.3, current=0.6, dt=0.25, neuron=None):
    neuron = Oscillator(integrator=integrator, gain=1.5) if neuron is None else neuron
    at = Oscillation(jnp.asarray(v), jnp.asarray(w))
    after = integrator(neuron, at, current, dt)
    return float(after.v), float(after.w)


def f(v, w, current=0.6):
    return 1.5 * (v - v**3 / 3 - w + current)


def g(v, w):
    return 0.08 * (v + 0.7 - 0.8 * w)


def test_euler_by_hand():
    v, w, dt = 0.4, -0.3, 0.25
    assert one(snn.Euler()) == pytest.approx((v + dt * f(v, w), w + dt * g(v, w)))


def test_sequential_euler_by_hand():
    v, w, dt = 0.4, -0.3, 0.25
    v1 = v + dt * f(v, w)
    assert one(snn.SequentialEuler(("v", "w"))) == pytest.approx((v1, w + dt * g(v1, w)))
    w1 = w + dt * g(v, w)
    assert one(snn.SequentialEuler(("w", "v"))) == pytest.approx((v + dt * f(v, w1), w1))
    half = v + dt / 2 * f(v, w)
    v2 = half + dt / 2 * f(half, w)
    assert one(snn.SequentialEuler(["v", "v", "w"])) == pytest.approx(
        (v2, w + dt * g(v2, w))
    )


def test_second_order_schemes_by_hand():
    v, w, dt = 0.4, -0.3, 0.25
    v1, w1 = v + dt * f(v, w), w + dt * g(v, w)
    heun = v + dt / 2 * (f(v, w) + f(v1, w1)), w + dt / 2 * (g(v, w) + g(v1, w1))
    assert one(snn.Heun()) == pytest.approx(heun)
    vm, wm = v + dt / 2 * f(v, w), w + dt / 2 * g(v, w)
    assert one(snn.Midpoint()) == pytest.approx((v + dt * f(vm, wm), w + dt * g(vm, wm)))


def test_sequential_euler_must_name_each_variable():
    for order in (("v",), ("v", "w", "u"), ()):
        words = r"must name each variable of Oscillator: \('v', 'w'\)"
        with pytest.raises(ValueError, match=words):
            one(snn.SequentialEuler(order))


def test_what_derivative_leaves_out_stays():
    neuron = snn.LIF(integrator=snn.Euler())
    at = neuron.init((2,))._replace(refractory=jnp.array([0.3, 7.0]))
    after = neuron.integrator(neuron, at, 100.0, 0.1)
    np.testing.assert_array_equal(after.refractory, at.refractory)
    assert np.all(after.v > at.v)


# Exactness


@pytest.mark.parametrize("dt", [1e-3, 0.5, 30.0])
@pytest.mark.parametrize("integrator", [snn.ExponentialEuler(), snn.Exact()])
def test_exact_for_a_linear_equation_at_any_dt(integrator, dt):
    cells = Relaxation(tau=[2.0, 10.0, 1e6], integrator=integrator)
    start = snn.RunState(cells.init()._replace(v=jnp.array([-3.0, 8.0, 1.0])))
    sol = snn.simulate(cells, 5.0, dt, n_steps=4, state=start, record=snn.Trace("v"))
    tau, v = np.array([2.0, 10.0, 1e6]), np.array([-3.0, 8.0, 1.0])
    expected = 5 + (v - 5) * np.exp(-sol.ts[:, None] / tau)
    np.testing.assert_allclose(sol.ys, expected, rtol=1e-13)


def test_own_slopes_are_the_diagonal_of_the_jacobian(key):
    n = 4
    neuron = Oscillator(gain=np.linspace(0.5, 2.0, n))
    state = neuron.init((n,))
    noise = np.asarray(jax.random.normal(key, (2, n)))
    state = state._replace(v=state.v + noise[0], w=state.w + noise[1])

    @jax.jit
    def both(state):
        slopes, y = flow(neuron, state, jnp.full(n, 0.6))
        return *own_slopes(slopes, y), slopes(y), jax.jacfwd(slopes)(y)

    f, own, slopes, jacobian = both(state)
    for name in ("v", "w"):
        full = np.asarray(jacobian[name][name])
        np.testing.assert_allclose(own[name], np.diag(full), rtol=1e-14)
        np.testing.assert_array_equal(full, np.diag(np.diag(full)))
        np.testing.assert_allclose(f[name], slopes[name], rtol=1e-14)


def test_exact_needs_a_closed_form():
    with pytest.raises(ValueError, match=r"Oscillator\.integrator=Exact\(\) needs .* RK4"):
        one(snn.Exact())


# A current that is a function of v


class Bare(snn.AbstractNeuron[Any]):
    """dv/dt = current: only what the input makes of it."""

    integrator: snn.AbstractIntegrator = integrate_with(snn.RK4)

    def rest(self):
        return Oscillation(jnp.asarray(-60.0), jnp.asarray(0.0))

    def derivative(self, state, current):
        return {"v": current, "w": 0 * state.w}

    def spikes(self, before, after, dt):
        return jnp.zeros_like(after.v)


GROWTH = {  # of v - e over one step with dt g = x, by the scheme's polynomial
    snn.Euler: lambda x: 1 - x,
    snn.Heun: lambda x: 1 - x + x**2 / 2,
    snn.Midpoint: lambda x: 1 - x + x**2 / 2,
    snn.RK4: lambda x: 1 - x + x**2 / 2 - x**3 / 6 + x**4 / 24,
    snn.ExponentialEuler: lambda x: math.exp(-x),
}


@pytest.mark.parametrize("integrator", GROWTH, ids=lambda i: i.__name__)
def test_every_scheme_sees_the_slope_of_a_conductance(integrator):
    g, e, dt = 0.3, -10.0, 0.5
    conductance = lambda v: g * (e - v)
    v, _ = one(integrator(), -60.0, 0.0, conductance, dt, Bare())
    assert v - e == pytest.approx(-50.0 * GROWTH[integrator](g * dt), rel=1e-13)
    sequential, _ = one(
        snn.SequentialEuler(("v", "w")), -60.0, 0.0, conductance, dt, Bare()
    )
    assert sequential - e == pytest.approx(-50.0 * (1 - g * dt), rel=1e-13)


@pytest.mark.parametrize("g", [0.3, 300.0])
def test_a_conductance_input_has_its_closed_form(g):
    """A LIF without leak to speak of relaxes to the mixture of both reversals, at any g."""
    lif = snn.LIF(tau_m=10.0, g_l=10.0, e_l=-75.0, threshold=snn.Threshold(0.0), t_ref=None)
    e, dt = -20.0, 0.5
    drive = lambda i, dt: lambda v: g * 10.0 * (e - v)  # pA; g is in units of g_l
    sol = snn.simulate(lif, drive, dt, n_steps=10, record=snn.Trace("v"))
    target, rate = (-75.0 + g * e) / (1 + g), (1 + g) / 10.0
    expected = target + (-75.0 - target) * np.exp(-rate * sol.ts)
    np.testing.assert_allclose(sol.ys, expected, rtol=1e-12)
