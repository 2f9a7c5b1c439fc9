"""Siegert's rate against quadrature, limits and simulation; self-consistent networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import erfcx

from snnjax.analysis import self_consistent_rates
from snnjax.measures import siegert


@pytest.mark.parametrize(
    ("mu", "sigma"),
    [(mu, sigma) for mu in (12.0, 18.0, 20.0, 21.0, 30.0, 300.0) for sigma in (0.5, 3.0)]
    + [(-5.0, 2.0), (-5.0, 10.0), (20.0, 30.0)],
)
def test_rate_is_that_of_quadrature(mu, sigma):
    low, high = (10.0 - mu) / sigma, (20.0 - mu) / sigma
    integral = quad(lambda u: erfcx(-u), low, high, epsrel=1e-13, limit=500)[0]
    expected = 1e3 / (2.0 + 20.0 * np.sqrt(np.pi) * integral)
    assert_allclose(siegert(mu, sigma), expected, rtol=1e-11)
    with jax.enable_x64(False):
        single = siegert(jnp.float32(mu), jnp.float32(sigma))
        assert single.dtype == jnp.float32
        rtol = 2e-6 + 3e-7 * max(high, 0) ** 2
        assert_allclose(single, expected, rtol=rtol, atol=1e-35)


def test_little_noise_gives_the_deterministic_rate():
    mu = jnp.array([20.001, 25.0, 1e3])
    expected = 1e3 / (2.0 + 20.0 * np.log((mu - 10.0) / (mu - 20.0)))
    assert_allclose(siegert(mu, 1e-7), expected, rtol=1e-7)
    assert_allclose(siegert(1e9, 1.0, t_ref=4.0), 250.0, rtol=1e-6)


def test_a_far_threshold_gives_the_rate_of_escape():
    # Kramers: exp(-y^2) y / (tau sqrt(pi)) as y grows, with corrections of order 1 / y^2
    y = np.array([6.0, 12.0, 20.0])
    rate = siegert(20.0 - 2.0 * y, 2.0, v_reset=-100.0)
    expected = 1e3 * np.exp(-(y**2)) * y / (20.0 * np.sqrt(np.pi))
    assert np.all(abs(rate / expected - (1 - 1 / (2 * y**2))) < 2 / y**4)
    rate, slope = jax.value_and_grad(siegert)(-500.0, 1.0)
    assert rate == 0 and slope == 0  # 1e-100,000 Hz


@pytest.mark.parametrize("mu", [5.0, 19.0, 30.0])
def test_gradients(mu):
    check_grads(siegert, (mu, 3.0, 20.0, 2.0, 20.0, 10.0, 0.5), order=1, rtol=1e-5)
    assert np.isfinite(jax.grad(siegert, argnums=6)(mu, 3.0, 20.0, 2.0, 20.0, 10.0, 0.0))


def test_arguments_broadcast_under_jit_and_vmap():
    mu, sigma = jnp.linspace(10.0, 30.0, 5)[:, None], jnp.linspace(1.0, 5.0, 3)
    grid = siegert(mu, sigma)
    assert grid.shape == (5, 3)
    each = jax.jit(jax.vmap(jax.vmap(siegert, (None, 0)), (0, None)))(mu[:, 0], sigma)
    assert_allclose(each, grid, rtol=1e-14)
    assert (np.diff(grid, axis=0) > 0).all()


def simulated(mu, sigma, tau_syn, dt, key, n=4000, duration=600.0, skip=100.0):
    """(rate in Hz, its standard error) of neurons with tau_m 20, t_ref 2, reset 10, level 20."""
    decay = float(np.exp(-dt / 20.0))
    # of v for white noise: the exact standard deviation over a step
    kick = float(sigma * np.sqrt((1 - decay**2) / 2))
    keep = float(np.exp(-dt / tau_syn)) if tau_syn else 0.0
    spread = sigma * np.sqrt(20.0 / (2 * tau_syn)) if tau_syn else 0.0  # of the current
    fresh = float(spread * np.sqrt(1 - keep**2))

    def step(carry, i):
        v, x, wait = carry
        xi = jax.random.normal(jax.random.fold_in(key, i), (n,), jnp.float32)
        if tau_syn:
            x = keep * x + fresh * xi
            after = mu + x + (v - mu - x) * decay
        else:
            after = mu + (v - mu) * decay + kick * xi
        v = jnp.where(wait > 0, 10.0, after)
        fired = v >= 20.0
        wait = jnp.where(fired, round(2.0 / dt), jnp.maximum(wait - 1, 0))
        return (jnp.where(fired, 10.0, v), x, wait), fired.sum()

    zero = jnp.zeros(n, jnp.float32)
    steps, skipped = round(duration / dt), round(skip / dt)
    start = (zero + 12.0, zero, jnp.zeros(n, jnp.int32))
    run = jax.jit(lambda: jax.lax.scan(step, start, jnp.arange(steps))[1])
    counts = np.asarray(run())[skipped:]
    seconds = n * (duration - skip) * 1e-3
    return counts.sum() / seconds, np.sqrt(counts.sum()) / seconds


def test_rate_is_that_of_a_simulation(key):
    dt = 0.1
    rate, se = simulated(16.0, 5.0, 0.0, dt, key)
    # Looked at every dt, a threshold lies 0.5826 standard deviations of a step higher
    # (Broadie, Glasserman & Kou 1997, Math. Finance 7:325). Poisson counting bounds the error
    # of a train that is more regular than that: 4 of them, p < 1e-4.
    shift = 0.5826 * 5.0 * np.sqrt(dt / 20.0)
    assert abs(rate - siegert(16.0, 5.0, v_th=20.0 + shift)) < 4 * se
    assert abs(rate - siegert(16.0, 5.0)) > 4 * se


def test_rate_with_synaptic_filtering_is_that_of_a_simulation(key):
    rate, se = simulated(16.0, 5.0, 1.0, 0.1, key)
    assert se < 0.01 * rate
    assert rate == pytest.approx(float(siegert(16.0, 5.0, tau_syn=1.0)), rel=0.05)
    assert rate < 0.9 * siegert(16.0, 5.0)


BRUNEL = dict(in_degree=[[1000, 250]] * 2, mu=40.0, sigma=2.0)


def test_rates_of_a_network_solve_their_equations():
    weight = np.array([[0.1, -0.5], [0.12, -0.45]])
    in_degree = np.array([[1000, 250], [900, 260]])
    mu, sigma, tau_m = np.array([40.0, 38.0]), np.array([2.0, 2.5]), np.array([20.0, 15.0])
    nu = self_consistent_rates(weight, in_degree, mu, sigma, tau_m)
    mean = mu + 1e-3 * tau_m * ((in_degree * weight) @ nu)
    noise = np.sqrt(sigma**2 + 1e-3 * tau_m * ((in_degree * weight**2) @ nu))
    assert_allclose(nu, siegert(mean, noise, tau_m), rtol=1e-9)
    assert nu[0] != nu[1]


def test_rate_of_brunels_network_is_near_that_of_simulations():
    nu = self_consistent_rates([[0.1, -0.5]] * 2, **BRUNEL)
    assert_allclose(nu, nu[0], rtol=1e-12)
    assert nu[0] == pytest.approx(37.5, rel=0.02)  # simulated at dt 0.1 ms: 37.5 Hz


def test_gradient_of_self_consistent_rates():
    def rate(g, mu):
        weight = jnp.array([[0.1, -0.1 * g]] * 2)
        return self_consistent_rates(weight, **{**BRUNEL, "mu": mu})[0]

    for argument in (0, 1):
        slope = jax.grad(rate, argument)(5.0, 40.0)
        step = np.eye(2)[argument] * 1e-4
        plus, minus = (
            rate(5.0 + step[0], 40.0 + step[1]),
            rate(5.0 - step[0], 40.0 - step[1]),
        )
        assert_allclose(slope, (plus - minus) / 2e-4, rtol=1e-5)
    batch = jax.jit(jax.vmap(lambda g: rate(g, 40.0)))(jnp.array([4.5, 5.0, 6.0]))
    assert_allclose(batch[1], rate(5.0, 40.0), rtol=1e-9)
    assert batch[0] > batch[1] > batch[2]


def test_a_bistable_network_relaxes_to_the_solution_at_hand():
    quiet = self_consistent_rates([[0.1]], [[1000]], 5.0, 2.0)
    busy = self_consistent_rates([[0.1]], [[1000]], 5.0, 2.0, guess=300.0)
    assert quiet[0] < 1e-10 and 400 < busy[0] < 500


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: siegert(10.0, 0.0), "siegert.sigma must be above 0 mV"),
        (lambda: siegert(10.0, 1.0, tau_m=-1.0), "siegert.tau_m must be above 0 ms"),
        (lambda: siegert(10.0, 1.0, t_ref=-1.0), "siegert.t_ref must be at least 0 ms"),
        (lambda: siegert(10.0, 1.0, v_th=5.0), "v_th - v_reset must be above 0 mV"),
        (lambda: siegert(np.nan, 1.0), "siegert.mu must be finite in mV"),
        (lambda: siegert(1.0, 1.0, tau_syn=-1.0), "siegert.tau_syn must be at least 0"),
        (lambda: self_consistent_rates([0.1], [10], 1.0, 1.0), r"\[targets, sources\]"),
        (lambda: self_consistent_rates([[0.1]], [[-1]], 1.0, 1.0), "in_degree must be"),
        (
            lambda: self_consistent_rates([[0.1]], [[1]], 1.0, -1.0),
            "sigma must be at least",
        ),
        (lambda: self_consistent_rates([[1.0]], [[1]], 1.0, 1.0, guess=-1.0), "guess must"),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
