import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import snnjax as snn
from snnjax.neurons import ResonateAndFire

PERIOD = 2 * np.pi


def response(pulses, dt=0.01, duration=40.0, **changes):
    """Spike times (ms) to `pulses`, (time, area) each."""
    current = np.zeros(round(duration / dt))
    for t, area in pulses:
        current[round(t / dt)] += area / dt
    sol = snn.simulate(ResonateAndFire(**changes), current, dt)
    return sol.ts[np.flatnonzero(sol.ys)]


def test_doublet_fires_at_its_period_and_not_at_half_of_it():
    assert len(response([(1, 1.0)])) == 0
    assert len(response([(1, 1.0), (1 + PERIOD, 1.0)])) == 1
    assert len(response([(1, 1.0), (1 + PERIOD / 2, 1.0)])) == 0
    assert len(response([(1, 1.0), (1 + 1.5 * PERIOD, 1.0)])) == 0
    assert len(response([(1, 1.0), (1 + 2 * PERIOD, 1.0)])) == 1


def test_inhibition_fires_half_a_period_before_excitation():
    assert len(response([(1, -1.0), (1 + PERIOD / 2, 1.0)])) == 1
    assert len(response([(1, -1.0), (1 + PERIOD, 1.0)])) == 0


def test_inhibition_alone_fires_on_rebound():
    # v swings up to A exp(-0.1 t) sin(t - pi) at tan(t) = 10, t = 4.61 ms: 0.6273 A.
    (spike,) = response([(1, -1.61)])
    assert 1 + 0.7 * PERIOD < spike < 1 + 0.75 * PERIOD
    assert len(response([(1, -1.58)])) == 0


def test_resonance_is_sharp_around_the_period():
    intervals = np.arange(1.0, 14.0, 0.5)
    fired = [len(response([(1, 0.85), (1 + i, 0.85)])) > 0 for i in intervals]
    expected = []
    for i in intervals:  # z after the second pulse; v from there peaks within a period
        z = 0.85 * np.exp((-0.1 + 1j) * i) + 0.85
        t = np.linspace(0, PERIOD, 5000)
        expected.append((z * np.exp((-0.1 + 1j) * t)).imag.max() >= 1)
    np.testing.assert_array_equal(fired, expected)
    assert 0 < sum(fired) < len(fired) / 2


@pytest.mark.parametrize("dt", [0.01, 0.3, 5.0])
@pytest.mark.parametrize(("b", "w"), [(-0.1, 1.0), (0.05, 3.0), (0.0, 0.2)])
def test_step_is_exact_for_constant_current(dt, b, w):
    neuron = ResonateAndFire(b, w, threshold=snn.Threshold(1e9))
    n = int(20 / dt)
    sol = snn.simulate(neuron, 0.3, dt, n_steps=n, record=snn.Trace("u", "v"))
    rate = b + 1j * w
    z = 0.3 * (np.exp(rate * sol.ts) - 1) / rate
    np.testing.assert_allclose(sol.ys["u"] + 1j * sol.ys["v"], z, rtol=1e-11, atol=1e-12)


def test_closed_form_obeys_the_derivative():
    neuron = ResonateAndFire(-0.3, 2.0)
    state = neuron.init()._replace(u=jnp.asarray(0.4), v=jnp.asarray(-0.7))
    _, slope = jax.jvp(
        lambda t: neuron.solution(state, 0.6, t), (jnp.asarray(0.0),), (jnp.asarray(1.0),)
    )
    expected = neuron.derivative(state, 0.6)
    np.testing.assert_allclose(
        [slope["u"], slope["v"]], list(expected.values()), rtol=1e-12
    )


def test_rest_is_a_focus():
    neuron = ResonateAndFire()
    slopes = lambda u, v: neuron.derivative(neuron.init()._replace(u=u, v=v), 0.0)
    jacobian = jax.jacfwd(lambda x: jnp.stack(list(slopes(x[0], x[1]).values())))(
        jnp.zeros(2)
    )
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(jacobian)), [-0.1 - 1j, -0.1 + 1j]
    )


def test_class_2_has_no_low_rates():
    current = np.linspace(0.5, 1.5, 201)
    neuron, drive = ResonateAndFire(), jnp.broadcast_to(current, (20_000, 201))
    spikes = np.asarray(snn.simulate(neuron, drive, 0.02).ys)
    rate = spikes[10_000:].sum(0) / 200.0  # per ms
    # Firing goes on where the swing that follows a reset gets back to the threshold.
    z = -current / (-0.1 + 1j)
    t = np.linspace(1.0, PERIOD, 5000)[:, None]
    goes_on = (z + (1j - z) * np.exp((-0.1 + 1j) * t)).imag.max(0) >= 1
    assert np.sum((rate > 0) != goes_on) <= 1
    assert 0 < goes_on.sum() < 201
    assert rate[rate > 0].min() > 1 / PERIOD


def test_spike_puts_z_at_i():
    neuron = ResonateAndFire(t_ref=2.0)
    state = neuron.init((2,))._replace(u=jnp.array([3.0, 0.0]), v=jnp.array([0.9, 0.1]))
    after, spikes = neuron.step(state, 0.0, 0.1)
    np.testing.assert_array_equal(spikes, [1.0, 0.0])
    assert (after.u[0], after.v[0], after.refractory[0]) == (0.0, 1.0, 2.0)
    again, spikes = ResonateAndFire().step(
        ResonateAndFire().init()._replace(v=jnp.asarray(1.0)), 0.0, 0.01
    )
    assert spikes == 0 and again.v < 1  # it leaves the threshold downward


def test_gradients():
    def v_end(b, w, current):
        return snn.simulate(ResonateAndFire(b, w), jnp.full(50, current), 0.1).final.v

    check_grads(v_end, (-0.1, 1.0, 0.3), order=1, rtol=1e-5)
    rate = lambda b, w: snn.simulate(
        ResonateAndFire(b, w), jnp.full(300, 1.5), 0.1
    ).ys.mean()
    for x64 in (True, False):
        with jax.enable_x64(x64):
            gradients = jax.grad(rate, (0, 1))(jnp.asarray(-0.1), jnp.asarray(1.0))
            assert np.isfinite(gradients).all() and all(g != 0 for g in gradients)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"ResonateAndFire.w must be above 0 rad/ms"):
        ResonateAndFire(w=0.0)
