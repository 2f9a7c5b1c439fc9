"""Learning rules: the contract, and the ways in which a rule is run."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax import plasticity
from snnjax.core import backend
from snnjax.plasticity import STDP, HardBounds, NoBounds, SoftBounds, replay

FREE = STDP(bounds=NoBounds())
PRE, POST = [5, 12, 30, 33, 61, 80, 104], [9, 31.5, 40, 62, 63, 100]  # ms


def spikes(times, dt=0.5, stop=120.0):
    """The spikes of each step of one neuron."""
    train = np.zeros(round(stop / dt))
    train[np.rint(np.asarray(times) / dt).astype(int)] = 1
    return train


def trains(rng, n, n_steps=400, p=0.02):
    return (rng.random((n_steps, n)) < p).astype(float)


def brute_force(pre, post, w, dt, rule, delay=0, dendritic=0):
    """Pair STDP over spike times, with hard bounds, one synapse after the other."""
    low, high = (float(x) for x in rule.bounds.limits)
    w = np.array(w, float)
    lag = lambda x: np.broadcast_to(x, w.shape)
    for i, j in np.ndindex(w.shape):
        first = (np.flatnonzero(pre[:, i]) + lag(delay)[i, j]) * dt
        second = (np.flatnonzero(post[:, j]) + lag(dendritic)[i, j]) * dt
        events = sorted([(t, 0) for t in first] + [(t, 1) for t in second])
        for t, of_post in events:
            if t >= len(pre) * dt - 1e-9:
                continue
            other = first if of_post else second
            ago = t - other[other < t - 1e-9]
            if of_post:
                change = float(rule.a_plus) * np.exp(-ago / float(rule.tau_plus)).sum()
            else:
                change = -float(rule.a_minus) * np.exp(-ago / float(rule.tau_minus)).sum()
            w[i, j] = np.clip(w[i, j] + change, low, high)
    return w


@pytest.mark.parametrize(
    ("pairing", "expected"),
    [("all", 0.01308), ("nearest", 0.00194), ("pre_centred", -0.00334)],
)
def test_pairing_schemes_change_the_sign(pairing, expected):
    rule = STDP(bounds=NoBounds(), pairing=pairing)
    w = replay(rule, spikes(PRE), spikes(POST), 0.5).weights
    assert float(w[0, 0]) == pytest.approx(expected, abs=6e-6)


def test_the_window_is_the_closed_form():
    for gap in (-40.0, -5.0, -0.5, 0.0, 0.5, 12.0):
        w = float(replay(FREE, spikes([50]), spikes([50 + gap]), 0.5).weights[0, 0])
        expected = 0.01 * np.exp(-gap / 20) if gap > 0 else -0.012 * np.exp(gap / 20)
        assert w == pytest.approx(expected if gap else 0.0, abs=1e-15)


@pytest.fixture
def by_event(monkeypatch):
    monkeypatch.setattr(backend, "EACH_UP_TO", 0)
    return lambda n: monkeypatch.setattr(backend, "EACH_UP_TO", n)


@pytest.mark.parametrize(
    "bounds", [HardBounds(0, 0.6), SoftBounds(0, 0.6, 0.4), NoBounds()]
)
def test_by_event_and_for_each_synapse_are_the_same(bounds, by_event):
    rng = np.random.default_rng(0)
    pre, post = trains(rng, 7), trains(rng, 5)
    w = rng.uniform(0.1, 0.5, (7, 5))
    rule = STDP(0.05, 0.06, bounds=bounds)
    events = replay(rule, pre, post, 0.5, weights=w).weights
    assert "while" in str(
        jax.make_jaxpr(lambda w: replay(rule, pre, post, 0.5, weights=w))(w)
    )
    by_event(10**6)
    each = replay(rule, pre, post, 0.5, weights=w).weights
    np.testing.assert_allclose(events, each, rtol=1e-14, atol=1e-16)
    if not isinstance(bounds, SoftBounds):
        np.testing.assert_allclose(each, brute_force(pre, post, w, 0.5, rule), rtol=1e-12)


@pytest.mark.parametrize("most", [0, 10**6])
def test_gradients_flow_through_learning(most, by_event):
    by_event(most)
    rng = np.random.default_rng(1)
    pre, post = trains(rng, 4, 100, 0.05), trains(rng, 3, 100, 0.05)

    def mean_weight(x):
        rule = STDP(x[0], x[1], x[2], x[3], bounds=SoftBounds(0, 1, 0.5))
        return replay(rule, pre, post, 0.5, weights=x[4:].reshape(4, 3)).weights.mean()

    x = np.concatenate([[0.05, 0.06, 18.0, 23.0], rng.uniform(0.2, 0.8, 12)])
    value, grad = jax.value_and_grad(mean_weight)(x)
    forward = jax.jacfwd(mean_weight)(x)
    np.testing.assert_allclose(grad, forward, rtol=1e-10, atol=1e-14)
    for k in range(len(x)):
        h = 1e-5 * np.eye(len(x))[k]
        slope = (mean_weight(x + h) - mean_weight(x - h)) / 2e-5
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-5, abs=1e-10)
    assert np.isfinite(value)


def test_a_batch_is_each_item(by_event):
    rng = np.random.default_rng(2)
    pre = np.stack([trains(rng, 6) for _ in range(3)])
    post = np.stack([trains(rng, 4) for _ in range(3)])
    run = lambda pre, post: replay(STDP(), pre, post, 0.5, weights=0.5).weights
    together = jax.vmap(run)(pre, post)
    for k in range(3):
        np.testing.assert_allclose(together[k], run(pre[k], post[k]), rtol=1e-14)


def test_batches_over_anything_and_of_batches_are_each_item(by_event):
    """By event, of weights alone, of a constant, of batches, and their gradients."""
    rng = np.random.default_rng(3)
    pre, post = trains(rng, 6), trains(rng, 4)
    w = rng.uniform(0.2, 0.8, (3, 2, 6, 4))
    a, teacher = np.array([0.01, 0.05, 0.2]), trains(rng, 4)
    stdp = lambda w, a: replay(STDP(a_plus=a), pre, post, 0.5, weights=w).weights
    resume = lambda w, a: (
        replay(plasticity.ReSuMe(a=a), pre, post, 0.5, weights=w, target=teacher).weights
    )
    for run in (stdp, resume):
        both = jax.vmap(run)(w[:, 0], a)
        nested = jax.vmap(jax.vmap(run, (0, None)))(w, a)
        only = jax.vmap(run, (None, 0))(w[0, 0], a)
        slopes = jax.vmap(jax.grad(lambda w, a, run=run: run(w, a).sum(), argnums=1))(
            w[:, 0], a
        )
        for k in range(3):
            close = functools.partial(np.testing.assert_allclose, rtol=1e-13)
            close(both[k], run(w[k, 0], a[k]))
            close(only[k], run(w[0, 0], a[k]))
            close(nested[k, 1], run(w[k, 1], a[k]))
            h = 1e-6
            up, down = (run(w[k, 0], a[k] + s * h).sum() for s in (1, -1))
            close(slopes[k], (up - down) / (2 * h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtypes(dtype):
    rule = jax.tree.map(lambda x: x.astype(dtype), FREE)
    w = replay(
        rule, jnp.ones((5, 2), dtype), jnp.ones((5, 3), dtype), 0.5, weights=dtype(0)
    ).weights
    assert w.dtype == dtype and w.shape == (2, 3)
    assert plasticity.STDP is STDP
