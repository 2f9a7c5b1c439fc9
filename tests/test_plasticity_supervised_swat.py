"""SWAT: against a loop over spikes, its balance, and classes that find their outputs."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.core import backend
from snnjax.plasticity import SWAT, NoBounds, replay

DT, STEPS = 1.0, 400
SCRIPT = Path(__file__).parents[1] / "benchmarks" / "plasticity" / "swat_iris.py"


def draw(seed):
    rng = np.random.default_rng(seed)
    pre = (rng.random((STEPS, 5)) < 0.04).astype(float)
    training = np.repeat(rng.random((STEPS, 1)) < 0.04, 3, 1).astype(float)
    label = np.eye(3)[np.arange(STEPS) // 150]
    return pre, training, label


def run(rule, pre, training, label, **kwargs):
    silent = np.zeros(training.shape)
    return replay(rule, pre, silent, DT, training=training, label=label, **kwargs).weights


def brute_force(pre, training, label, rule):
    a, tau_plus, tau_minus, c_0, alpha, tau_c = (
        float(getattr(rule, name))
        for name in ("a", "tau_plus", "tau_minus", "c_0", "alpha", "tau_c")
    )
    w = np.zeros((pre.shape[1], label.shape[1]))
    fired = np.flatnonzero(training[:, 0])
    for i in range(pre.shape[1]):
        came = np.flatnonzero(pre[:, i])
        for step in range(STEPS):
            c = np.exp(-(step - fired[fired < step]) * DT / tau_c).sum()
            up = a / (1 + (c / c_0) ** alpha * c)
            if training[step, 0]:
                x = np.exp(-(step - came[came < step]) * DT / tau_plus).sum()
                w[i] += label[step] * up * x
            if pre[step, i]:
                y = np.exp(-(step - fired[fired < step]) * DT / tau_minus).sum()
                w[i] -= label[step] * (a - up) * y
    return w


@pytest.mark.parametrize("most", [0, 10**6])
def test_it_is_a_loop_over_spikes(most, monkeypatch):
    monkeypatch.setattr(backend, "EACH_UP_TO", most)
    rule = SWAT(0.1, 12.0, 17.0, 2.0, 1.5, 300.0, NoBounds())
    data = draw(0)
    got = run(rule, *data)
    np.testing.assert_allclose(got, brute_force(*data, rule), rtol=1e-10, atol=1e-14)
    assert (got > 0.01).any() and (got < -0.01).any()


def test_activity_turns_potentiation_into_depression():
    rule = SWAT(1.0, bounds=NoBounds())
    threshold = np.asarray(rule.threshold(jnp.array([0.0, 1.0, 5.0, 20.0])))
    np.testing.assert_allclose(threshold, [0, 1 / 25, 5, 320], rtol=1e-12)
    up = 1 / (1 + threshold)
    assert up[0] == 1 and up[-1] < 0.01  # of a height of 1; what is missing is depression


def test_each_class_finds_its_output():
    """Two halves of the inputs, each active in one class; a training neuron follows them."""
    rng = np.random.default_rng(1)
    steps = 4000
    label = np.eye(2)[np.arange(steps) // 200 % 2]
    active = np.repeat(label, 10, 1)  # inputs 0..9 in class 0, the others in class 1
    pre = (rng.random((steps, 20)) < 0.02 + 0.06 * active).astype(float)
    follows = np.roll(pre @ np.ones(20) > 2, 2).astype(float)
    training = np.repeat(follows[:, None], 2, 1)
    # Some 60 spikes a second: a threshold of 0.6, and more potentiation than depression.
    w = np.asarray(run(SWAT(0.005, c_0=600.0), pre, training, label, weights=0.5))
    chosen = pre.reshape(-1, 200, 20).sum(1) @ w
    assert np.all(chosen.argmax(1) == np.arange(20) % 2)
    assert w[:10, 0].mean() > w[10:, 0].mean() + 0.1 < w[10:, 1].mean()
    assert w.min() >= 0 and w.max() <= 1


def test_iris_is_told_apart():
    """Splits that constants were not chosen by; over 20 of them 0.956 and 0.947."""
    accuracies = runpy.run_path(str(SCRIPT))["accuracies"]
    told = np.array([accuracies(seed, epochs=1) for seed in range(100, 104)])
    assert np.all(told.mean(0) >= 0.93)
    depressed = SWAT(0.003, c_0=300.0)  # its threshold is too high
    assert accuracies(100, 1, depressed)[1] < 0.6


def test_gradients_to_the_constants_are_finite_differences():
    leaves, tree = jax.tree.flatten(SWAT(0.1, 12.0, 17.0, 2.0, 1.5, 300.0, NoBounds()))
    data = draw(2)
    loss = jax.jit(lambda x: jnp.sin(run(jax.tree.unflatten(tree, list(x)), *data)).sum())
    x = np.array([float(leaf) for leaf in leaves])
    grad = jax.grad(loss)(x)
    for k, h in enumerate(1e-6 * np.eye(len(x))):
        slope = (loss(x + h) - loss(x - h)) / 2e-6
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-5, abs=1e-9)
        assert float(grad[k]) != 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"SWAT\.c_0 must be above 0"):
        SWAT(c_0=0.0)
    with pytest.raises(ValueError, match="SWAT needs 'training' in each step"):
        replay(SWAT(), *draw(0)[:2], DT)
