"""The tempotron: against a search over the whole trial, the gradient of the peak, a task."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import Tempotron, replay

DT = 0.5


def kernel(s, tau_m=15.0, tau_s=3.75):
    x = tau_m / tau_s
    norm = x ** (x / (x - 1)) / (x - 1)
    late = np.where(s > 0, s, 0)
    return norm * (np.exp(-late / tau_m) - np.exp(-late / tau_s))


def draw(seed, n_steps=200):
    rng = np.random.default_rng(seed)
    pre = (rng.random((n_steps, 6)) < 0.04).astype(float)
    post = np.zeros((n_steps, 4))
    post[[70, 120], 0] = post[50, 1] = 1
    v = rng.normal(size=(n_steps, 4))
    return pre, post, v


def brute_force(pre, post, v, label, eta, begin):
    """Of the trial from `begin` on, one synapse after the other.

    Find the peak or first spike, then sum the kernel at its time.
    """
    w = np.zeros((pre.shape[1], post.shape[1]))
    for j in range(post.shape[1]):
        fired = begin + np.flatnonzero(post[begin:, j])
        wrong = label[j] - (len(fired) > 0)
        peak = fired[0] if len(fired) else begin + np.argmax(v[begin:, j])
        for i in range(pre.shape[1]):
            lags = (peak - np.flatnonzero(pre[:, i])) * DT
            w[i, j] = eta * wrong * sum(kernel(lag) for lag in lags if lag > 0)
    return w


def test_it_changes_by_what_was_there_at_the_peak_and_trial_by_trial():
    label = np.array([0.0, 1.0, 1.0, 0.0])
    pre, post, v = (np.concatenate(x) for x in zip(draw(0), draw(1), strict=True))
    total = brute_force(pre[:200], post[:200], v[:200], label, 0.3, 0)
    total = total + brute_force(pre, post, v, label, 0.3, 200)
    end = np.zeros((400, 4))
    end[[199, 399]] = 1
    labels = np.broadcast_to(label, (400, 4))
    w = replay(Tempotron(0.3), pre, post, DT, v=v, label=labels, end=end).weights
    np.testing.assert_allclose(w, total, rtol=1e-10, atol=1e-14)
    assert (np.abs(w).sum(0) > 0).tolist() == [True, False, True, False]
    assert w[:, 0].max() <= 0 <= w[:, 2].min()


def test_it_climbs_the_gradient_of_the_peak():
    """Of a silent neuron whose membrane and receptor have the time constants of the rule."""
    pre = draw(3)[0]
    w = np.random.default_rng(4).uniform(0, 2, (6, 1))
    cell = snn.LIF(15.0, 1.0, 0.0, threshold=1000.0, v_reset=0.0)
    cells = snn.Population(cell, 1, snn.Exponential(3.75))
    target = np.zeros((1, len(pre), 1))
    learn = lambda w: snn.learn_trials(
        Tempotron(), cells, pre[None], target, DT, epochs=1, weights=w, label=np.ones(1)
    )
    change = learn(w).weights - w

    def peak(w):
        potentials = np.zeros((len(pre), 6))
        for i in range(6):
            for step in np.flatnonzero(pre[:, i]):
                potentials[:, i] += kernel((np.arange(len(pre)) - step) * DT)
        return jnp.max(potentials @ w)

    slope = jax.grad(peak)(w)
    np.testing.assert_allclose(change / change.max(), slope / slope.max(), rtol=1e-9)


def test_it_tells_patterns_apart():
    rng = np.random.default_rng(0)
    x = (rng.random((20, 200, 80)) < 0.005).astype(float)
    label = (np.arange(20) % 2).astype(float)
    w = rng.uniform(0, 5, (80, 1))
    cell = snn.LIF(15.0, 1.0, 0.0, threshold=20.0, v_reset=0.0)
    cells = snn.Population(cell, 1, snn.Exponential(3.75))
    run = lambda epochs: snn.learn_trials(
        Tempotron(2.0), cells, x, np.zeros((20, 200, 1)), 1.0, epochs=epochs,
        weights=w, label=label,
    )  # fmt: skip
    fired = run(100).spikes.any((2, 3))
    right = np.mean(fired == label, 1)
    assert right[0] < 0.8 and right[-1] == 1.0, right


def test_it_needs_the_potential():
    pre, post, _ = draw(0)
    ones = np.ones((200, 4))
    with pytest.raises(ValueError, match="Tempotron needs the potential v"):
        replay(Tempotron(), pre, post, DT, label=ones, end=ones)


def test_gradients_to_the_constants_are_finite_differences():
    pre, post, v = draw(0)
    end = np.zeros((200, 4))
    end[-1] = 1
    label = np.tile([0.0, 1.0, 1.0, 0.0], (200, 1))

    @jax.jit
    def loss(x):
        rule = Tempotron(*x)
        return jnp.sin(replay(rule, pre, post, DT, v=v, label=label, end=end).weights).sum()

    x = np.array([0.2, 14.0, 3.0])
    grad = jax.grad(loss)(x)
    for k, h in enumerate(1e-6 * np.eye(3)):
        slope = (loss(x + h) - loss(x - h)) / 2e-6
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-6)
