"""Releases: short-term plasticity against its recursion, graded release against its equation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import solve_ivp

import snnjax as snn


@eqx.filter_jit
def _amounts(release, spikes, v, dt):
    step = lambda state, input: release.step(state, input, dt)
    return jax.lax.scan(step, release.init(spikes.shape[1:]), (spikes, v))[1]


def amounts(release, spikes, dt, v=None):
    spikes = jnp.asarray(spikes, float)
    v = jnp.zeros_like(spikes) if v is None else jnp.asarray(v)
    return np.asarray(_amounts(release, spikes, v, jnp.asarray(dt)))


def by_event(times, use, tau_rec, tau_facil):
    """Amount of each spike, from spike to spike, as Markram, Wang & Tsodyks write it."""
    out = []
    for n, t in enumerate(times):
        if n == 0:
            u, r = use, 1.0
        else:
            wait = t - times[n - 1]
            r = 1 + (r - r * u - 1) * np.exp(-wait / tau_rec)
            left = 0.0 if tau_facil is None else u * np.exp(-wait / tau_facil)
            u = use + left * (1 - use)
        out.append(u * r)
    return np.array(out)


PRESETS = {
    "depressing": (snn.TsodyksMarkram.depressing(), (0.5, 800.0, None)),
    "facilitating": (snn.TsodyksMarkram.facilitating(), (0.03, 130.0, 530.0)),
    "both": (snn.TsodyksMarkram(0.2, 300.0, 200.0), (0.2, 300.0, 200.0)),
    "all of it": (snn.TsodyksMarkram(1.0, 50.0, 20.0), (1.0, 50.0, 20.0)),
}
every_preset = pytest.mark.parametrize(("release", "values"), PRESETS.values(), ids=PRESETS)


@every_preset
@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_irregular_trains_event_by_event(release, values, dt):
    rng = np.random.default_rng(3)
    n_steps = 2000
    spikes = rng.random((n_steps, 3)) < [0.002, 0.02, 0.5]
    got = amounts(release, spikes, dt)
    for n in range(3):
        fired = np.flatnonzero(spikes[:, n])
        assert len(fired) > 1
        np.testing.assert_allclose(got[fired, n], by_event(fired * dt, *values), rtol=1e-11)
    assert np.all(got[~spikes] == 0)
    assert np.all(got[spikes] > 0) and np.all(got <= 1)


@every_preset
@pytest.mark.parametrize("rate_hz", [5.0, 20.0, 100.0])
def test_regular_trains_settle_where_the_formula_says(release, values, rate_hz):
    use, tau_rec, tau_facil = values
    wait = 1000.0 / rate_hz
    u = use if tau_facil is None else use / (1 - (1 - use) * np.exp(-wait / tau_facil))
    x = (1 - np.exp(-wait / tau_rec)) / (1 - (1 - u) * np.exp(-wait / tau_rec))
    spikes = np.arange(int(6000 / 2)) % int(wait / 2) == 0
    got = amounts(release, spikes, 2.0)[spikes]
    assert got[0] == pytest.approx(use, rel=1e-14)
    assert got[-1] == pytest.approx(u * x, rel=1e-3 if rate_hz == 5.0 else 1e-6)


def test_one_preset_weakens_and_the_other_strengthens():
    spikes = np.arange(1000) % 50 == 0  # 20 Hz
    weaker = amounts(snn.TsodyksMarkram.depressing(), spikes, 1.0)[spikes]
    assert np.all(np.diff(weaker) < 0)
    # By hand: 0.5 (1 - 0.5 e^(-50/800)), and 0.03 (1 + 0.97 e^(-50/530)) (1 - 0.03 e^(-50/130)).
    assert weaker[1] == pytest.approx(0.26514673, rel=1e-7)
    stronger = amounts(snn.TsodyksMarkram.facilitating(), spikes, 1.0)[spikes]
    assert stronger[1] == pytest.approx(0.05532683, rel=1e-6)
    assert np.all(np.diff(stronger[:6]) > 0) and stronger[-1] > 4 * stronger[0]


def test_no_facilitation_is_the_limit_of_short_facilitation():
    spikes = np.arange(300) % 7 == 0
    without = amounts(snn.TsodyksMarkram(0.4, 90.0), spikes, 1.0)
    short = amounts(snn.TsodyksMarkram(0.4, 90.0, 1e-3), spikes, 1.0)
    np.testing.assert_array_equal(without, short)


def test_presets_can_be_changed():
    release = snn.TsodyksMarkram.facilitating(u=0.1)
    assert (release.u, release.tau_rec, release.tau_facil) == (0.1, 130.0, 530.0)


def test_gradients_reach_the_plasticity():
    spikes = jnp.asarray(np.arange(100) % 9 == 0, float)

    @jax.jit
    def released(values, gate):
        release = snn.TsodyksMarkram(*values)
        step = lambda state, s: release.step(state, (s, s), 1.0)
        return jax.lax.scan(step, release.init(), spikes * gate)[1].sum()

    check_grads(released, (jnp.array([0.2, 90.0, 60.0]), jnp.ones(100)), order=1, rtol=1e-6)


def test_graded_release_is_a_sigmoid_of_v():
    graded = snn.Graded(v_half=-40.0, slope=4.0)
    v = np.array([[-200.0, -44.0, -40.0, -36.0, 200.0]])
    got = amounts(graded, np.zeros((1, 5)), 0.1, v)[0]
    np.testing.assert_allclose(got, 1 / (1 + np.exp((-40.0 - v[0]) / 4.0)), rtol=1e-13)
    assert got[2] == 0.5
    assert graded.init((5,)) is None


@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0])
def test_graded_kinetics_are_exact_for_a_held_v(dt):
    release = snn.GradedKinetics(v_half=-30.0, slope=3.0, alpha=2.0, beta=0.4)
    n = round(5 / dt)
    v = np.concatenate([np.full(n, -25.0), np.full(n, -60.0)])
    got = amounts(release, np.zeros(2 * n), dt, v)
    opening = 2.0 / (1 + np.exp(-5.0 / 3.0))
    t = np.arange(1, n + 1) * dt
    up = opening / (opening + 0.4) * (1 - np.exp(-(opening + 0.4) * t))
    np.testing.assert_allclose(got[:n], up, rtol=1e-12)
    closed = 2.0 / (1 + np.exp(10.0))
    low = closed / (closed + 0.4)
    down = low + (up[-1] - low) * np.exp(-(closed + 0.4) * t)
    np.testing.assert_allclose(got[n:], down, rtol=1e-12)


def test_graded_kinetics_converge_with_order_1():
    release = snn.GradedKinetics(slope=5.0, alpha=1.0, beta=0.2)
    voltage = lambda t: 20.0 * np.sin(t) - 5.0
    gate = lambda t: 1 / (1 + np.exp(-voltage(t) / 5.0))
    slope = lambda t, s: gate(t) * (1 - s) - 0.2 * s
    true = solve_ivp(slope, (0, 8.0), [0.0], "DOP853", rtol=1e-11, atol=1e-12).y[0, -1]
    errors = []
    for dt in (0.04, 0.02, 0.01):
        t = np.arange(1, round(8.0 / dt) + 1) * dt
        errors.append(abs(amounts(release, np.zeros(len(t)), dt, voltage(t))[-1] - true))
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.1)
