"""The likelihood gradient: against autodiff of the likelihood, a loop, and its window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import LikelihoodGradient, replay

DT, STEPS = 0.5, 160
RNG = np.random.default_rng(0)
PRE = (RNG.random((STEPS, 6)) < 0.05).astype(float)
TARGET = (RNG.random((STEPS, 3)) < 0.02).astype(float)
W = RNG.uniform(1.0, 3.0, (6, 3))
RULE = LikelihoodGradient()


def kernel(s):
    s = np.where(s > 0, s, 0)
    return 4 * (np.exp(-s / 10) - np.exp(-s / 5))


def summed(spikes, window):
    """Of all earlier spikes, in each step: [steps, neurons]."""
    t = np.arange(len(spikes)) * DT
    return np.stack(
        [sum((window(t - s) for s in t[x > 0]), np.zeros(len(t))) for x in spikes.T], 1
    )


PSP = summed(PRE, kernel)
LOW = summed(TARGET, lambda s: np.where(s > 0, np.exp(-np.abs(s) / 10), 0))


def log_likelihood(w):
    u = PSP @ w - 20 * LOW
    p = 1 - jnp.exp(-0.1 * jnp.exp((u - 20) / 2) * DT)
    return jnp.sum(TARGET * jnp.log(p) + (1 - TARGET) * jnp.log1p(-p))


def run(rule, pre=PRE, target=TARGET, w=W, dt=DT):
    return replay(rule, pre, 0 * target, dt, weights=w, target=target).weights


def test_it_is_the_gradient_of_the_likelihood():
    change = (run(LikelihoodGradient(1e-7)) - W) / 1e-7
    expected = jax.grad(log_likelihood)(W)
    np.testing.assert_allclose(change, expected, rtol=1e-5, atol=1e-6)
    assert (expected > 0.05).any() and (expected < -0.05).any()


def test_step_by_step_with_the_weights_learned_so_far():
    w = W.copy()
    for k in range(STEPS):
        rho = 0.1 * np.exp((PSP[k] @ w - 20 * LOW[k] - 20) / 2) * DT
        slope = np.where(TARGET[k], rho / np.expm1(rho), -rho) / 2
        w += 0.05 * slope * PSP[k][:, None]
    np.testing.assert_allclose(run(LikelihoodGradient(0.05)), w, rtol=1e-10)
    assert np.abs(w - W).max() > 0.02


def test_learning_makes_the_target_likelier():
    w, seen = W, [float(log_likelihood(W))]
    epoch = jax.jit(lambda w: run(LikelihoodGradient(0.05), w=w))
    for _ in range(30):
        w = epoch(w)
        seen.append(float(log_likelihood(w)))
    assert np.all(np.diff(seen) > -0.02) and seen[-1] > seen[0] + 5


def test_a_pair_of_spikes_makes_a_window():
    """Potentiation of the form of the potential, over a depression from rest's hazard."""
    dt, n = 0.1, 3000
    one = np.zeros((n, 1))
    one[1000] = 1
    lags = np.array([-40.0, -5.0, 2.0, 7.0, 30.0])
    targets = np.zeros((n, len(lags)))
    targets[1000 + np.rint(lags / dt).astype(int), np.arange(len(lags))] = 1
    # A small eta, so that the weight stays at 0.
    small = LikelihoodGradient(1e-6, rho_0=0.02, level=0.0, reset=0.0)
    got = run(small, one, targets, np.zeros((1, len(lags))), dt)[0] / 1e-6
    area = 4 * (10 - 5)  # of K, ms
    np.testing.assert_allclose(got, (kernel(lags) - 0.02 * area) / 2, atol=2e-3)
    held = LikelihoodGradient(1e-6, rho_0=0.02, level=0.0, reset=50.0)
    after = run(held, one, targets, np.zeros((1, len(lags))), dt)[0] / 1e-6
    s = np.arange(0, 200, 0.001)  # since the input spike
    for lag, got in zip(lags, after, strict=True):
        low = np.where(s > lag, 50 * np.exp(-np.abs(s - lag) / 10), 0)
        depression = 0.02 * (kernel(s) * np.exp(-low / 2)).sum() * 0.001
        assert float(got) == pytest.approx((kernel(lag) - depression) / 2, abs=2e-3)
    assert after[1] > -0.03 > -0.15 > after[0]  # the reset holds the depression off


def test_gradients_to_the_constants_are_finite_differences():
    leaves, tree = jax.tree.flatten(LikelihoodGradient(0.05))
    loss = jax.jit(lambda x: jnp.sin(run(jax.tree.unflatten(tree, list(x)))).sum())
    x = np.array([float(leaf) for leaf in leaves])
    grad = jax.grad(loss)(x)
    for k, h in enumerate(1e-6 * np.eye(len(x))):
        slope = (loss(x + h) - loss(x - h)) / 2e-6
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-5, abs=1e-8)


def test_lists_of_synapses_and_delays_learn_alike():
    train = snn.inputs.from_array(PRE, DT)
    cells = snn.Population(
        snn.LIF(10.0, 1.0, 0.0, threshold=20.0, v_reset=0.0), 3, snn.Exponential(5.0)
    )
    wanted = {"inputs->cells.target": snn.inputs.from_array(TARGET, DT)}

    def learned(**kwargs):
        spec = snn.Projection("inputs", "cells", weight=W, learning=RULE, **kwargs)
        net = snn.Network(dict(inputs=snn.Population(train, 6), cells=cells), [spec])
        sol = snn.simulate(net, wanted, DT, n_steps=STEPS)
        return np.asarray(sol.final.learned["inputs->cells"].weight).reshape(W.shape)

    everyone = snn.connect.AllToAll()
    np.testing.assert_allclose(learned(wiring=everyone), run(RULE), rtol=1e-10)
    later = np.concatenate([np.zeros((4, 6)), PRE[:-4]])
    delayed = learned(wiring=everyone, delay=2.5)  # 5 steps, the first of which all have
    np.testing.assert_allclose(delayed, run(RULE, later), rtol=1e-10)
    assert np.abs(delayed - run(RULE)).max() > 1e-3


def test_float32_and_bad_input():
    rule = jax.tree.map(lambda x: x.astype(jnp.float32), RULE)
    w = run(rule, *(jnp.asarray(x, jnp.float32) for x in (PRE, TARGET, W)))
    np.testing.assert_allclose(w, run(RULE), rtol=1e-4)
    with pytest.raises(ValueError, match=r"LikelihoodGradient\.delta must be above 0 mV"):
        LikelihoodGradient(delta=0.0)
    with pytest.raises(ValueError, match="tau_s=10 ms must be below"):
        LikelihoodGradient(tau_s=10.0)
