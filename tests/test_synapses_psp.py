"""Postsynaptic potentials on a membrane: closed forms, summation, convergence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import snnjax as snn

TAU_M, G_L, WEIGHT = 10.0, 12.0, 90.0
SILENT = dict(threshold=1e9, t_ref=None)


def run(receptor, lif, arrived, dt, exact=True, shape=()):
    """(v, spikes) after each step of a LIF with one receptor."""
    return _run(receptor, lif, jnp.asarray(arrived), jnp.asarray(dt), exact, shape)


@eqx.filter_jit
def _run(receptor, lif, arrived, dt, exact, shape):
    tau_m = lif.tau_m if exact else None

    def step(carry, arrived):
        synapse, cell = carry
        synapse = receptor.arrive(synapse, arrived)
        current = receptor.drive(synapse, dt, tau_m)
        cell, spikes = lif.step(cell, current, dt)
        return (receptor.advance(synapse, dt), cell), (cell.v, spikes)

    return jax.lax.scan(step, (receptor.init(shape), lif.init(shape)), arrived)[1]


def arrivals(dt, duration, *times):
    """Weights that arrive at the start of the steps that begin at `times` (ms)."""
    out = np.zeros(round(duration / dt))
    np.add.at(out, np.round(np.array(times) / dt).astype(int), WEIGHT)
    return out


def exponential_psp(t, tau_m, tau):
    if tau == tau_m:
        return WEIGHT / G_L * t / tau * np.exp(-t / tau)
    return WEIGHT / G_L * tau / (tau_m - tau) * (np.exp(-t / tau_m) - np.exp(-t / tau))


def alpha_psp(t, tau_m, tau):
    # By parts, of the integral of u e^(-u/tau) e^(-(t-u)/tau_m) over u.
    if tau == tau_m:
        return WEIGHT / G_L * np.e * t**2 / (2 * tau**2) * np.exp(-t / tau)
    b = 1 / tau - 1 / tau_m
    integral = np.exp(-t / tau_m) / b**2 - np.exp(-t / tau) * (t / b + 1 / b**2)
    return WEIGHT / G_L * np.e / (tau_m * tau) * integral


def dual_psp(t, tau_m, rise, decay):
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    unit = np.exp(-peak / decay) - np.exp(-peak / rise)
    return (exponential_psp(t, tau_m, decay) - exponential_psp(t, tau_m, rise)) / unit


PSP = {
    "exponential": (snn.Exponential(3.0), lambda t: exponential_psp(t, TAU_M, 3.0)),
    "slow": (snn.Exponential(30.0), lambda t: exponential_psp(t, TAU_M, 30.0)),
    "of tau_m": (snn.Exponential(TAU_M), lambda t: exponential_psp(t, TAU_M, TAU_M)),
    "alpha": (snn.Alpha(3.0), lambda t: alpha_psp(t, TAU_M, 3.0)),
    "alpha of tau_m": (snn.Alpha(TAU_M), lambda t: alpha_psp(t, TAU_M, TAU_M)),
    "dual": (snn.DualExponential(0.5, 5.0), lambda t: dual_psp(t, TAU_M, 0.5, 5.0)),
    "dual of tau_m": (snn.DualExponential(2.0, TAU_M), lambda t: dual_psp(t, TAU_M, 2.0, TAU_M)),
    "dual of equal": (snn.DualExponential(4.0, 4.0), lambda t: alpha_psp(t, TAU_M, 4.0)),
}  # fmt: skip


@pytest.mark.parametrize(("receptor", "psp"), PSP.values(), ids=PSP)
@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0, 5.0])  # 6 to 3000 ms
def test_the_psp_is_exact_for_any_dt(receptor, psp, dt):
    lif = snn.LIF(TAU_M, G_L, 0.0, v_reset=0.0, **SILENT)
    v, _ = run(receptor, lif, arrivals(dt, 600 * dt, 0.0), dt)
    expected = psp(np.arange(1, len(v) + 1) * dt)
    np.testing.assert_allclose(v, expected, rtol=1e-10, atol=1e-12 * WEIGHT / G_L)


@pytest.mark.parametrize("sign", [1, -1], ids=["EPSP", "IPSP"])
def test_a_psp_peaks_after_5_16_ms(sign):
    v, _ = run(
        snn.Exponential(3.0), snn.LIF(**SILENT), sign * arrivals(0.01, 40.0, 0.0), 0.01
    )
    psp = sign * (v + 75.0)
    assert (np.argmax(psp) + 1) * 0.01 == pytest.approx(5.160, abs=0.005)
    theory = 10.0 * 3.0 / (10.0 - 3.0) * np.log(10.0 / 3.0)
    assert theory == pytest.approx(5.160, abs=5e-4)
    # Where the slope is 0, v is what the current of that moment would hold it at.
    assert np.max(psp) == pytest.approx(WEIGHT / 10.0 * np.exp(-theory / 3.0), rel=1e-5)
    assert psp[0] > 0 and psp[-1] > 0


def test_each_neuron_may_have_its_own_membrane():
    tau_m = np.array([3.0, 8.0, 20.0])
    lif = snn.LIF(tau_m, G_L, 0.0, v_reset=0.0, **SILENT)
    arrived = np.repeat(arrivals(0.5, 30.0, 0.0)[:, None], 3, 1)
    v, _ = run(snn.Exponential(3.0), lif, arrived, 0.5, shape=(3,))
    t = np.arange(1, 61) * 0.5
    expected = np.stack([exponential_psp(t, tau, 3.0) for tau in tau_m], 1)
    np.testing.assert_allclose(v, expected, rtol=1e-11)


def test_a_mean_current_converges_with_order_2():
    psp = PSP["exponential"][1](20.0)
    lif = snn.LIF(TAU_M, G_L, 0.0, v_reset=0.0, **SILENT)
    errors = []
    for dt in (1.0, 0.5, 0.25):
        arrived = arrivals(dt, 20.0, 0.0)
        errors.append(abs(run(snn.Exponential(3.0), lif, arrived, dt, False)[0][-1] - psp))
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 4, rtol=0.02)


def test_it_fires_as_the_neuron_with_the_synapse_built_in(key):
    arrived = 400.0 * jax.random.bernoulli(key, 0.05, (3000, 4))
    both = dict(tau_m=12.0, g_l=8.0, e_l=-70.0, threshold=-55.0, t_ref=1.5)
    v, spikes = run(snn.Exponential(4.0), snn.LIF(**both), arrived, 0.1, shape=(4,))
    sol = snn.simulate(
        snn.CubaLIF(tau_syn=4.0, **both), arrived, 0.1, record=snn.Trace("v", "output")
    )
    assert spikes.sum() > 20
    np.testing.assert_array_equal(spikes, sol.ys["output"])
    np.testing.assert_allclose(v, sol.ys["v"], rtol=1e-11)


TIMES = (1.0, 22.0, 45.0, 46.0, 47.0, 48.0, 49.0, 50.0)


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_currents_sum_in_time_and_space(dt):
    lif = snn.LIF(TAU_M, G_L, 0.0, v_reset=0.0, **SILENT)
    for receptor, psp in (PSP["exponential"], PSP["alpha"], PSP["dual"]):
        v, _ = run(receptor, lif, arrivals(dt, 80.0, *TIMES), dt)
        t = np.arange(1, len(v) + 1) * dt
        expected = sum(np.where(t > s, psp(np.maximum(t - s, 0)), 0) for s in TIMES)
        np.testing.assert_allclose(v, expected, rtol=1e-10, atol=1e-11)
        for n in (5, 6):
            v, _ = run(receptor, lif, arrivals(dt, 80.0, *[1.0] * n), dt)
            alone, _ = run(receptor, lif, arrivals(dt, 80.0, 1.0), dt)
            np.testing.assert_allclose(v, n * alone, rtol=1e-10, atol=1e-11)


def test_a_burst_fires_where_single_spikes_do_not():
    # 20 mV from rest to threshold, and a single PSP peaks at 5.3 mV.
    arrived = 3.3 * arrivals(0.1, 80.0, *TIMES)
    v, spikes = run(snn.Exponential(3.0), snn.LIF(), arrived, 0.1)
    assert np.max(v[:400]) < -68.0
    fired = np.flatnonzero(spikes) * 0.1
    assert len(fired) >= 1 and 46.0 < fired[0] < 52.0
    together = 3.3 * arrivals(0.1, 80.0, *[1.0] * 6)
    assert run(snn.Exponential(3.0), snn.LIF(), together, 0.1)[1].sum() >= 1


@pytest.mark.parametrize("cls", [snn.Exponential, snn.Alpha, snn.DualExponential])
@pytest.mark.parametrize("e_rev", [0.0, -90.0])
def test_conductances_sum_to_less(cls, e_rev):
    receptor, lif = cls(e_rev=e_rev), snn.LIF(TAU_M, G_L, **SILENT)
    peak = lambda n: np.max(np.abs(
        run(receptor, lif, 0.1 * arrivals(0.1, 60.0, *[0.0] * n), 0.1)[0] + 75.0
    ))  # fmt: skip
    assert 0.3 * 6 * peak(1) < peak(6) < 0.9 * 6 * peak(1)
    far = jnp.asarray(1e6 * arrivals(0.1, 60.0, 0.0))
    v, _ = run(receptor, lif, far, 0.1)  # however many, not beyond the reversal potential
    assert np.min(np.abs(v - e_rev)) < 0.1
    assert np.all((v - e_rev) * np.sign(-75.0 - e_rev) > -1e-9)


def reference(receptor, g, end):
    """v at `end` (ms) by an adaptive method, from the closed form `g` of a unit weight."""
    block = lambda v: 1.0
    if isinstance(receptor, snn.NMDA):
        block = lambda v: 1 / (1 + 1.0 / 3.57 * np.exp(-0.062 * v))
    slope = lambda t, v: (
        (-(v + 75.0) + 4.0 * g(t) * block(v) * (float(receptor.e_rev) - v) / G_L) / TAU_M
    )
    sol = solve_ivp(slope, (0, end), [-75.0], "DOP853", rtol=1e-12, atol=1e-12)
    return sol.y[0, -1]


def dual_course(t, rise, decay):
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    shape = lambda t: np.exp(-t / decay) - np.exp(-t / rise)
    return shape(t) / shape(peak)


CONDUCTANCES = {
    "exponential": (snn.Exponential(5.0, e_rev=0.0), lambda t: np.exp(-t / 5.0)),
    "inhibitory": (snn.Exponential(8.0, e_rev=-90.0), lambda t: np.exp(-t / 8.0)),
    "alpha": (snn.Alpha(3.0, e_rev=0.0), lambda t: t / 3.0 * np.exp(1 - t / 3.0)),
    "dual": (snn.DualExponential(1.0, 5.0, e_rev=0.0), lambda t: dual_course(t, 1.0, 5.0)),
    "nmda": (snn.NMDA(), lambda t: dual_course(t, 2.0, 100.0)),
}  # fmt: skip


@pytest.mark.parametrize(("receptor", "g"), CONDUCTANCES.values(), ids=CONDUCTANCES)
def test_conductances_converge_with_order_2(receptor, g):
    true = reference(receptor, g, 12.0)
    lif = snn.LIF(TAU_M, G_L, **SILENT)
    errors = []
    for dt in (0.2, 0.1, 0.05):
        arrived = np.zeros(round(12.0 / dt))
        arrived[0] = 4.0
        errors.append(abs(run(receptor, lif, arrived, dt)[0][-1] - true))
    assert abs(true + 75.0) > 0.2
    assert 1e-9 < errors[1] < 2e-3
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 4, rtol=0.1)
