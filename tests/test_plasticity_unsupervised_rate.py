"""Rules of rates, and rules that keep a rate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.plasticity import BCM, Hebb, NoBounds, Oja, Signals, replay

DT = 0.5


def trains(seed, n, n_steps=200, p=0.05):
    return (np.random.default_rng(seed).random((n_steps, n)) < p).astype(float)


def rates(train, tau):
    """Hz after each step, by a sum over spikes."""
    t = np.arange(len(train)) * DT
    ago = t[:, None] - t[None, :]
    kernel = np.where(ago >= 0, np.exp(-ago / tau) * 1000 / tau, 0)
    return np.array([[sum(kernel[k][s > 0]) for s in train.T] for k in range(len(t))])


PRE, POST = trains(0, 3), trains(1, 2)
X, Y = rates(PRE, 80.0)[:, :, None], rates(POST, 80.0)[:, None, :]


def test_hebb_is_the_product_of_the_rates():
    w = replay(Hebb(1e-7, 80.0, NoBounds()), PRE, POST, DT).weights
    np.testing.assert_allclose(w, 1e-7 * DT * (X * Y).sum(0), rtol=1e-10)
    assert w.min() > 1e-4


def test_oja_is_hebb_with_a_decay():
    """Of a given target the rule is linear in w: each step forgets and adds."""
    eta = 2e-6
    w = replay(Oja(eta, 80.0), PRE, POST, DT, weights=0.7).weights
    keep = 1 - eta * DT * Y**2
    later = np.flip(np.cumprod(np.flip(keep, 0), 0), 0)  # of the weight before step k
    after = np.concatenate([later[1:], np.ones((1, 1, 2))])
    expected = 0.7 * later[0] + (eta * DT * X * Y * after).sum(0)
    np.testing.assert_allclose(w, expected, rtol=1e-10)
    assert abs(w - 0.7).min() > 1e-2


def test_bcm_has_a_threshold_that_follows_the_square_of_the_rate():
    rule = BCM(1e-9, 10.0, 80.0, 50.0, NoBounds())
    done = replay(rule, PRE, POST, DT, weights=0.3)
    n = np.arange(len(POST))
    share = 1 - np.exp(-DT / 50.0)
    slide = np.where(n[:, None] >= n, share * np.exp(-(n[:, None] - n) * DT / 50.0), 0)
    theta = np.tensordot(slide, Y**2 / 10.0, 1)
    expected = 0.3 + 1e-9 * DT * (X * Y * (Y - theta)).sum(0)
    np.testing.assert_allclose(done.state.traces.theta, theta[-1, 0], rtol=1e-10)
    np.testing.assert_allclose(done.weights, expected, rtol=1e-10)
    assert abs(done.weights - 0.3).min() > 1e-5


def live(rule, counts, w, gain=1.0, dt=1.0):
    """Weights of targets whose rate is `gain` times the sum of weighted rates, never below 0."""

    def one(carry, pre):
        state, w = carry
        post = jnp.maximum(gain * pre @ w, 0)
        state, w = rule.step(state, Signals(pre, post, w), dt)
        return (state, w), state.traces

    begin = rule.begin(w, (w.shape[0],), (w.shape[1],), dt)
    (_, w), traces = jax.jit(lambda start: jax.lax.scan(one, start, counts))((begin, w))
    return np.asarray(w), traces


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_oja_finds_the_first_principal_component(gain):
    rng = np.random.default_rng(2)
    mix = rng.normal(0, 15.0, (5, 5))
    hz = 30 + rng.normal(size=(30_000, 5)) @ mix
    start = jnp.asarray(rng.uniform(0, 0.5, (5, 2)))
    w, traces = live(Oja(1e-7, 20.0), jnp.asarray(hz / 1000), start, gain)
    x = np.asarray(traces.x)[1000:]
    first = np.linalg.eigh(x.T @ x)[1][:, -1]
    np.testing.assert_allclose(np.linalg.norm(w, axis=0), gain**-0.5, rtol=0.02)
    assert (abs(first @ w) / np.linalg.norm(w, axis=0)).min() > 0.999


def test_bcm_becomes_selective_to_one_of_several_patterns():
    """With 4 patterns, a target ends at 4 times the rate y_0 for one and 0 for the others."""
    rng = np.random.default_rng(3)
    place = np.arange(8)
    around = (place[None, :] - 2 * np.arange(4)[:, None] + 4) % 8 - 4
    patterns = 40 * np.exp(-(around**2) / 2)  # Hz; neighbours overlap
    order = rng.permuted(np.tile(np.arange(4), (500, 1)), axis=1).ravel()
    share = 1 - np.exp(-1 / 10.0)  # so that a constant count a step gives just its rate
    counts = np.repeat(patterns[order], 100, axis=0) * share / 100
    start = jnp.asarray(rng.uniform(0.05, 0.15, (8, 6)))
    rule = BCM(2e-8, 5.0, 10.0, 2000.0, NoBounds())
    w, _ = live(rule, jnp.asarray(counts), start)
    selectivity = lambda w: 1 - (r := np.maximum(patterns @ w, 0)).mean(0) / r.max(0)
    response = np.sort(patterns @ w, axis=0)
    assert selectivity(np.asarray(start)).max() < 0.3
    assert selectivity(w).min() > 0.7  # 0.75 is one alone
    np.testing.assert_allclose(response[-1], 20.0, rtol=0.1)
    assert response[-2].max() < 2.0
    assert len(set((patterns @ w).argmax(0))) > 1


@pytest.mark.parametrize("rule", [Hebb(), Oja(), BCM()], ids=lambda r: type(r).__name__)
def test_gradients_and_float32(rule):
    mean = jax.jit(lambda rule: replay(rule, PRE, POST, DT, weights=0.5).weights.mean())
    grad = jax.grad(mean)(rule)
    for name in (
        "eta",
        "tau",
        *(["tau_theta", "rate_hz"] if isinstance(rule, BCM) else []),
    ):
        value = float(getattr(rule, name))
        change = lambda h, name=name, value=value: _with(rule, name, value + h)
        h = 1e-3 * value
        slope = (mean(change(h)) - mean(change(-h))) / (2 * h)
        assert float(getattr(grad, name)) == pytest.approx(float(slope), rel=1e-4)
    narrow = jax.tree.map(lambda x: x.astype(jnp.float32), rule)
    got = replay(narrow, PRE.astype("f4"), POST.astype("f4"), DT, weights=jnp.float32(0.5))
    assert got.weights.dtype == jnp.float32
    assert float(got.weights.mean()) == pytest.approx(float(mean(rule)), rel=1e-5)


def _with(rule, name, value):
    return eqx.tree_at(lambda r: getattr(r, name), rule, jnp.asarray(value))
