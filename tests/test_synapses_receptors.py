"""Time courses of the receptors against closed forms in 60-digit arithmetic."""

from decimal import Decimal, getcontext

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import snnjax as snn

getcontext().prec = 60
WEIGHT = 70.0


def dual(t, rise, decay):
    """The dual exponential with peak 1; 1e-25 ms apart stands for equal time constants."""
    t, rise = Decimal(float(t)), Decimal(float(rise))
    decay = Decimal(float(decay)) + Decimal(10) ** -25
    shape = lambda t: (-t / decay).exp() - (-t / rise).exp()
    peak = rise * decay / (decay - rise) * (decay / rise).ln()
    return float(shape(t) / shape(peak))


def alpha(t, tau):
    return t / tau * np.exp(1 - t / tau)


CASES = {
    "exponential": (snn.Exponential(3.0), lambda t: np.exp(-t / 3.0)),
    "alpha": (snn.Alpha(3.0), lambda t: alpha(t, 3.0)),
    "dual": (snn.DualExponential(0.5, 6.0), lambda t: dual(t, 0.5, 6.0)),
    "swapped": (snn.DualExponential(6.0, 0.5), lambda t: dual(t, 0.5, 6.0)),
    "equal": (snn.DualExponential(4.0, 4.0), lambda t: alpha(t, 4.0)),
    "nearly equal": (
        snn.DualExponential(4.0, 4.0 + 1e-9),
        lambda t: dual(t, 4.0, 4.0 + 1e-9),
    ),
    "far apart": (snn.DualExponential(1e-3, 100.0), lambda t: dual(t, 1e-3, 100.0)),
    "nmda": (snn.NMDA(), lambda t: dual(t, 2.0, 100.0)),
}
every_case = pytest.mark.parametrize(("receptor", "course"), CASES.values(), ids=CASES)


def run(receptor, arrived, dt, tau_m=None):
    """After each step (s, what was held over it)."""

    tau_m = None if tau_m is None else jnp.asarray(tau_m)
    return _run(receptor, jnp.asarray(arrived), jnp.asarray(dt), tau_m)


@eqx.filter_jit
def _run(receptor, arrived, dt, tau_m):
    def step(state, arrived):
        state = receptor.arrive(state, arrived)
        held = receptor.held(state, dt, tau_m)
        state = receptor.advance(state, dt)
        return state, (state.s, held)

    return jax.lax.scan(step, receptor.init(arrived.shape[1:]), arrived)[1]


def one_spike(dt, duration):
    return jnp.zeros(round(duration / dt)).at[0].set(WEIGHT)


@every_case
@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0])
def test_the_time_course_is_exact_for_any_dt(receptor, course, dt):
    s, _ = run(receptor, one_spike(dt, 3000 * dt), dt)
    steps = np.unique(np.geomspace(1, len(s), 40).astype(int))
    expected = [WEIGHT * course(n * dt) for n in steps]
    np.testing.assert_allclose(s[steps - 1], expected, rtol=1e-12, atol=1e-280)


@every_case
def test_a_weight_peaks_at_the_weight(receptor, course):
    del course
    if isinstance(receptor, snn.Exponential):
        assert receptor.arrive(receptor.init(), WEIGHT).s == WEIGHT
        return
    peak = receptor.time_to_peak()
    at = lambda t: receptor.advance(receptor.arrive(receptor.init(), WEIGHT), t).s
    assert at(peak) == pytest.approx(WEIGHT, rel=1e-12)
    assert at(0.9 * peak) < WEIGHT and at(1.1 * peak) < WEIGHT


@pytest.mark.parametrize(
    ("rise", "decay", "peak"),
    # By hand: ln(10) 5 / 9, and tau itself where both are equal.
    [(0.5, 5.0, 1.27921394055225), (5.0, 0.5, 1.27921394055225), (4.0, 4.0, 4.0)],
)
def test_time_to_peak(rise, decay, peak):
    assert snn.DualExponential(rise, decay).time_to_peak() == pytest.approx(peak, rel=1e-13)
    assert snn.Alpha(rise).time_to_peak() == pytest.approx(rise, rel=1e-13)


@every_case
@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_without_a_membrane_the_mean_over_the_step_is_held(receptor, course, dt):
    _, held = run(receptor, one_spike(dt, 10 * dt), dt)
    for i in (0, 1, 9):
        area = quad(course, i * dt, (i + 1) * dt, epsabs=0, epsrel=1e-12, limit=200)[0]
        assert held[i] * dt == pytest.approx(WEIGHT * area, rel=1e-9)


@pytest.mark.parametrize("case", ["exponential", "alpha", "dual", "far apart"])
def test_a_membrane_gets_what_it_would_have_got(case):
    # What is left at the end of the step of each moment's current, against a held one.
    receptor, course = CASES[case]
    dt, tau_m = 0.8, 7.0
    kept = lambda t: np.exp(-(dt - t) / tau_m)
    _, held = run(receptor, one_spike(dt, 8.0), dt, tau_m)
    constant = tau_m * -np.expm1(-dt / tau_m)
    for i in range(5):
        over = lambda t, i=i: course(i * dt + t) * kept(t)
        points = [0.002, 0.01] if i == 0 else None
        true = quad(over, 0, dt, epsabs=0, epsrel=1e-12, points=points, limit=200)[0]
        assert held[i] * constant == pytest.approx(WEIGHT * true, rel=1e-9)


def test_arrivals_add_up():
    arrived = np.zeros((60, 3))
    arrived[[0, 7, 7, 30], [0, 1, 2, 2]] = [3.0, -2.0, 5.0, 1.0]
    for receptor in (snn.Exponential(2.0), snn.Alpha(3.0), snn.DualExponential()):
        s, _ = run(receptor, jnp.asarray(arrived), 0.5)
        kernel, _ = run(receptor, jnp.zeros(60).at[0].set(1.0), 0.5)
        summed = [np.convolve(arrived[:, n], kernel)[:60] for n in range(3)]
        np.testing.assert_allclose(s, np.stack(summed, 1), rtol=1e-12, atol=1e-14)


def test_each_target_may_have_its_own_time_constants():
    taus = np.array([1.0, 3.0, 9.0])
    arrived = jnp.zeros((40, 3)).at[0].set(WEIGHT)
    for cls in (snn.Exponential, snn.Alpha):
        together = run(cls(taus), arrived, 0.5, np.array([5.0, 10.0, 9.0]))
        for n, tau in enumerate(taus):
            alone = run(cls(tau), arrived[:, n], 0.5, (5.0, 10.0, 9.0)[n])
            for x, y in zip(together, alone, strict=True):
                np.testing.assert_allclose(x[:, n], y, rtol=1e-13)


def test_a_conductance_is_the_mean_whatever_the_membrane():
    receptor = snn.Exponential(3.0, e_rev=-10.0)
    state = receptor.arrive(receptor.init(), WEIGHT)
    mean = WEIGHT * 3.0 / 0.8 * (1 - np.exp(-0.8 / 3.0))
    for tau_m in (None, 10.0):
        current = receptor.drive(state, 0.8, tau_m)
        assert current(-60.0) == pytest.approx(mean * 50.0, rel=1e-13)


def test_delta_moves_v_and_is_used_up():
    receptor = snn.Delta()
    state = receptor.arrive(receptor.arrive(receptor.init((2,)), 1.5), np.array([0.0, 2.0]))
    np.testing.assert_array_equal(getattr(state, receptor.port), [1.5, 3.5])
    np.testing.assert_array_equal(receptor.drive(state, 0.1, 10.0), [0.0, 0.0])
    np.testing.assert_array_equal(receptor.advance(state, 0.1).jump, [0.0, 0.0])


def test_instantaneous_lasts_one_step():
    receptor = snn.Instantaneous()
    state, current = receptor.step(receptor.init((2,)), np.array([4.0, -1.0]), 0.1)
    np.testing.assert_array_equal(current, [4.0, -1.0])
    np.testing.assert_array_equal(state.s, [0.0, 0.0])
    state = receptor.arrive(receptor.init(), 2.0)
    assert receptor.drive(state, 0.1, 10.0) == 2.0
    conductance = snn.Instantaneous(e_rev=-80.0).drive(state, 0.1, 10.0)
    assert conductance(-60.0) == 2.0 * (-80.0 + 60.0)


@pytest.mark.parametrize(
    ("mg", "v", "unblocked"),
    [
        (1.0, 0.0, 1 / (1 + 1 / 3.57)),
        (1.0, -65.0, 0.0596681535612),
        (1.0, -70.0, 0.0444707203207),
        (2.0, -20.0, 0.3406089787),
        (1.0, np.log(1 / 3.57) / 0.062, 0.5),  # half blocked at -20.5 mV
        (0.0, -65.0, 1.0),
        (1.0, 1000.0, 1.0),
        (1.0, -1000.0, 0.0),
    ],
)
def test_magnesium_block(mg, v, unblocked):
    assert snn.NMDA(mg=mg).unblocked(v) == pytest.approx(unblocked, rel=1e-6, abs=1e-20)


def test_nmda_current():
    nmda = snn.NMDA(mg=1.5, e_rev=5.0)
    state = nmda.arrive(nmda.init((2,)), np.array([1.0, 3.0]))
    v = np.array([-65.0, -30.0])
    block = 1 / (1 + 1.5 / 3.57 * np.exp(-0.062 * v))
    mean = quad(lambda t: dual(t, 2.0, 100.0), 0, 0.5, epsrel=1e-12)[0] / 0.5
    current = nmda.drive(state, 0.5)
    np.testing.assert_allclose(
        current(v), mean * np.array([1.0, 3.0]) * block * (5.0 - v), rtol=1e-9
    )
    # Most current flows at -27 mV: its slope changes sign there.
    slope = jax.grad(lambda v: snn.NMDA().drive(nmda.arrive(nmda.init(), 1.0), 0.5)(v))
    assert slope(-28.0) > 0 > slope(-26.0)
