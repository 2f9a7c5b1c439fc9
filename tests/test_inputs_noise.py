"""White and coloured noise against the moments of the processes they stand for.

Statistics are held to four standard errors, which a right answer misses once in 16,000.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import snnjax as snn
from snnjax import inputs


def assert_moments(x, mean, std):
    """Mean and standard deviation of independent normal numbers."""
    assert np.mean(x) == pytest.approx(mean, abs=4 * std / np.sqrt(x.size))
    assert np.std(x) == pytest.approx(std, rel=4 / np.sqrt(2 * x.size))


@pytest.mark.parametrize("dt", [0.01, 0.1, 1.0])
def test_white_noise_has_the_spread_of_its_scaling(key, dt):
    x = inputs.white_noise(200.0, 30.0, shape=(200,), key=key).array(dt, 500)
    assert_moments(x, 200.0, 30.0 / np.sqrt(dt))
    assert abs(np.corrcoef(x[:-1].ravel(), x[1:].ravel())[0, 1]) < 4 / np.sqrt(x.size)
    assert abs(np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1]) < 4 / np.sqrt(x.size)


def test_tutorial_scaling(key):
    dt = 0.1
    tutorial = inputs.white_noise(200.0, 2.5, shape=(7,), key=key, time_unit="s")
    xi = inputs.white_noise(0.0, 1.0, shape=(7,), key=key).array(dt, 50) * np.sqrt(dt)
    np.testing.assert_allclose(
        tutorial.array(dt, 50), 200.0 + 2.5 * xi / np.sqrt(dt / 1000), atol=1e-10
    )


@pytest.mark.parametrize("dt", [0.05, 0.5, 2.0])
def test_membrane_varies_by_the_same_amount_for_any_dt(key, dt):
    lif = snn.LIF(tau_m=10.0, g_l=10.0)
    noise = inputs.white_noise(50.0, 60.0, shape=(8000,), key=key)
    v = snn.simulate(lif, noise, dt, duration=50.0).final.v  # spreads to 99.7 %
    held = np.tanh(dt / 20) / (dt / 20)  # noise held over a step, 1 - (dt / tau)^2 / 12
    left = 1 - np.exp(-2 * 50 / 10)
    assert_moments(
        v, -70.0 - 5 * np.exp(-5), 60 / (10 * np.sqrt(2 * 10)) * np.sqrt(held * left)
    )


@pytest.mark.parametrize("dt", [0.1, 1.0, 7.0])
def test_ornstein_uhlenbeck_is_stationary_and_forgets_exponentially(key, dt):
    ou = inputs.OrnsteinUhlenbeck(mean=200.0, sigma=30.0, tau=5.0)
    n, lag = 20_000, 1 + int(4.0 / dt)
    x = ou.array(dt, lag + 20, shape=(n,), key=key)
    for i in (0, 19, lag + 19):
        assert_moments(x[i], 200.0, 30.0)
    for i, j in ((0, 1), (10, 11), (5, 5 + lag)):
        r = np.exp(-(j - i) * dt / 5.0)
        error = (1 - r**2) / np.sqrt(n)
        assert np.corrcoef(x[i], x[j])[0, 1] == pytest.approx(r, abs=4 * error)


def test_ornstein_uhlenbeck_before_a_neuron(key):
    ou = inputs.OrnsteinUhlenbeck(mean=40.0, sigma=[30.0, 0.0], tau=5.0)
    both = snn.Sequential(ou, snn.LIF())
    v = snn.Trace(lambda state, spikes: state[1].v)
    run = lambda **more: snn.simulate(
        both, inputs.step(60.0, 10), 0.1, n_steps=400, shape=(2,), key=key, record=v, **more
    )
    sol = run()
    np.testing.assert_array_equal(sol.ys, run(chunk=100).ys)
    constant = snn.simulate(
        snn.LIF(), inputs.step(60.0, 10) + 40.0, 0.1, n_steps=400, record=snn.Trace("v")
    )
    np.testing.assert_allclose(sol.ys[:, 1], constant.ys, rtol=1e-12)
    path = ou.array(0.1, 400, shape=(2,), key=jax.random.split(key, 2)[0])
    as_array = path + inputs.step(60.0, 10).array(0.1, 400)[:, None]
    alone = snn.simulate(snn.LIF(), as_array, 0.1, record=snn.Trace("v"))
    np.testing.assert_allclose(sol.ys, alone.ys, rtol=1e-12)


def test_noise_is_a_function_of_key_step_and_neuron(key):
    many = inputs.white_noise(0.0, 1.0, shape=(10,), key=key).array(0.1, 20)
    few = inputs.white_noise(0.0, 1.0, shape=(4,), key=key)
    np.testing.assert_array_equal(few.array(0.1, 20), many[:, :4])
    np.testing.assert_allclose(few(13, 0.1), many[13, :4], rtol=1e-12)
    path = lambda n: inputs.OrnsteinUhlenbeck().array(0.1, 20, shape=(n,), key=key)
    np.testing.assert_array_equal(path(10)[:, :4], path(4))
    common = inputs.white_noise(0.0, 1.0, key=key)
    assert snn.simulate(snn.LIF(), common, 0.1, n_steps=5, shape=(3,)).ys.shape == (5, 3)


def test_gradient_with_respect_to_mean_and_spread(key):
    def white(mean, sigma):
        return jnp.sum(inputs.white_noise(mean, sigma, key=key).array(0.1, 50) ** 2)

    def coloured(mean, sigma, tau):
        ou = inputs.OrnsteinUhlenbeck(mean, sigma, tau)
        return jnp.sum(ou.array(0.1, 50, key=key) ** 2)

    check_grads(jax.jit(white), (100.0, 20.0), order=1)
    check_grads(jax.jit(coloured), (100.0, 20.0, 5.0), order=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k: inputs.white_noise(0, 1), r"white_noise is stochastic: give it key="),
        (lambda k: inputs.white_noise(0, -1, key=k), r"at least 0 pA sqrt\(ms\)"),
        (lambda k: inputs.white_noise(0, 1, key=k, time_unit="us"), "Did you mean 's'"),
        (
            lambda k: inputs.white_noise([0, 1, 2], 1, shape=(4,), key=k),
            r"white_noise.mean of shape \(3,\) does not fit a population of shape \(4,\)",
        ),
        (
            lambda k: inputs.OrnsteinUhlenbeck().init((3,)),
            "OrnsteinUhlenbeck is stochastic",
        ),
        (
            lambda k: inputs.OrnsteinUhlenbeck(tau=0.0),
            "OrnsteinUhlenbeck.tau must be above",
        ),
        (
            lambda k: inputs.OrnsteinUhlenbeck([0, 1, 2]).init((4,), key=k),
            "OrnsteinUhlenbeck.mean of shape",
        ),
    ],
)
def test_bad_values_are_refused_by_name(key, make, message):
    with pytest.raises(ValueError, match=message):
        make(key)
