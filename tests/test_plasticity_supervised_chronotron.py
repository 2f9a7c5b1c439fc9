"""Chronotrons: against all ways of editing a train, and sums over pairs of spikes."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import ChronotronE, ChronotronI, replay
from snnjax.plasticity.chronotron import pairing

DT, STEPS, ROOM = 0.5, 200, 6


def draw(seed, p_out=0.012):
    rng = np.random.default_rng(seed)
    pre = (rng.random((STEPS, 5)) < 0.05).astype(float)
    out = (rng.random((STEPS, 4)) < p_out).astype(float)
    target = (rng.random((STEPS, 4)) < p_out).astype(float)
    out[:, 3] = 0  # one that is silent
    return pre, out, target


def ends(n=1):
    end = np.zeros((n * STEPS, 4))
    end[STEPS - 1 :: STEPS] = 1
    return end


def edited(a, b, cost):
    """(least cost, pairs (i, j)) over all ways to move spikes of a to spikes of b in order."""
    best = (len(a) + len(b), ())
    for n in range(1, min(len(a), len(b)) + 1):
        for i in combinations(range(len(a)), n):
            for j in combinations(range(len(b)), n):
                pairs = tuple(zip(i, j, strict=True))
                price = len(a) + len(b) - 2 * n + sum(cost(a[i], b[j]) for i, j in pairs)
                best = min(best, (price, pairs), key=lambda x: x[0])
    return best


def potential(t, pre, out, tau_m=10.0, tau_s=5.0):
    """Just before t, of a leaky membrane that output spikes reset."""
    psp = lambda s: 4 * (np.exp(-s / tau_m) - np.exp(-s / tau_s))  # 2 ** 2 / (2 - 1)
    last = max((x for x in out if x < t), default=-np.inf)
    total = 0.0
    for s in pre[pre < t]:
        if s >= last:
            total += psp(t - s)
        else:
            total += np.exp(-(last - s) / tau_s) * psp(t - last)
    return total


def brute_force(pre, out, target, rule):
    gamma, gamma_r, tau_q = (float(x) for x in (rule.gamma, rule.gamma_r, rule.tau_q))
    w = np.zeros((pre.shape[1], out.shape[1]))
    times = lambda x: np.flatnonzero(x) * DT
    for i, j in np.ndindex(*w.shape):
        s, a, b = times(pre[:, i]), times(out[:, j]), times(target[:, j])
        _, pairs = edited(a, b, lambda x, y: ((x - y) / tau_q) ** 2 / 2)
        moved, met = [k for k, _ in pairs], [k for _, k in pairs]
        for k, t in enumerate(b):
            w[i, j] += gamma * potential(t, s, a) * (k not in met)
        for k, t in enumerate(a):
            w[i, j] -= gamma * potential(t, s, a) * (k not in moved)
        for k, m in pairs:
            late = a[k] - b[m]
            w[i, j] += gamma * gamma_r / tau_q**2 * late * potential(a[k], s, a)
    return w


@pytest.mark.parametrize("seed", range(2))
def test_e_learning_is_that_of_the_cheapest_editing(seed):
    pre, out, target = draw(seed)
    assert out.sum() > 3 and out.sum(0).max() < 10
    rule = ChronotronE(0.3, 7.0, 8.0, max_spikes=ROOM)
    w = replay(rule, pre, out, DT, target=target, end=ends()).weights
    np.testing.assert_allclose(
        w, brute_force(pre, out, target, rule), rtol=1e-9, atol=1e-12
    )
    assert np.abs(w).max() > 0.1


def test_trials_do_not_know_of_each_other():
    data = [draw(seed) for seed in (3, 4)]
    pre, out, target = (np.concatenate(x) for x in zip(*data, strict=True))
    rule = ChronotronE(max_spikes=ROOM)
    w = replay(rule, pre, out, DT, target=target, end=ends(2)).weights
    run = jax.jit(lambda p, o, t: replay(rule, p, o, DT, target=t, end=ends()).weights)
    alone = [run(*x) for x in data]
    np.testing.assert_allclose(w, sum(alone), rtol=1e-10, atol=1e-13)


def test_the_pairs_are_those_of_the_distance():
    rng = np.random.default_rng(0)
    run = jax.jit(pairing)
    for n_a, n_b in [(0, 3), (4, 0), (1, 1), (3, 5), (5, 4), (5, 5)]:
        a, b = (np.sort(rng.uniform(0, 60, n)) for n in (n_a, n_b))
        cost, at = np.full((6, 6), 7.0), np.arange(6)
        cost[:n_a, :n_b] = 0.1 * np.abs(a[:, None] - b)
        paired = np.asarray(run(jnp.asarray(cost), at < n_a, at < n_b))
        price, pairs = edited(a, b, lambda x, y: 0.1 * abs(x - y))
        assert {tuple(map(int, p)) for p in np.argwhere(paired)} == set(pairs)
        got = n_a + n_b - 2 * paired.sum() + (paired * cost).sum()
        assert got == pytest.approx(price)
        distance = snn.measures.victor_purpura(a, b, 0.1)
        assert got == pytest.approx(float(distance))


def test_trains_that_agree_change_nothing():
    pre, out, _ = draw(5)
    w = replay(ChronotronE(max_spikes=3), pre, out, DT, target=out, end=ends()).weights
    assert np.abs(w).max() < 1e-12
    assert (
        np.abs(replay(ChronotronI(), pre, out, DT, target=out, weights=1.0)[0] - 1).max()
        == 0
    )


def test_spikes_beyond_the_room_for_them_count_for_nothing():
    pre, out, target = draw(6, 0.03)
    first = np.where(np.cumsum(out, 0) <= 3, out, 0)
    rule = ChronotronE(max_spikes=3, gamma_r=0.0)
    goal = np.where(np.cumsum(target, 0) <= 3, target, 0)
    run = jax.jit(lambda o, t: replay(rule, pre, o, DT, target=t, end=ends()).weights)
    np.testing.assert_allclose(run(first, target), run(first, goal), atol=1e-14)
    assert np.abs(run(first, target)).max() > 0


def test_i_learning_is_the_sum_over_pairs_of_spikes():
    pre, out, target = draw(7)
    w = np.random.default_rng(8).normal(size=(5, 4))
    w[2] = 0
    rule = ChronotronI(0.02)
    expected = w.copy()
    for i, j in np.ndindex(*w.shape):
        for step in range(STEPS):
            lag = (step - np.flatnonzero(pre[:, i])) * DT
            current = expected[i, j] * np.exp(-lag[lag > 0] / 5).sum()
            sign = np.sign(expected[i, j]) * (target[step, j] - out[step, j])
            expected[i, j] += 0.02 * sign * current
    got = replay(rule, pre, out, DT, target=target, weights=w).weights
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    assert np.all(np.sign(got) == np.sign(w)) and np.abs(got - w).max() > 0.01


@pytest.mark.parametrize("rule", [ChronotronE, ChronotronI])
def test_gradients_to_the_constants_are_finite_differences(rule):
    pre, out, target = draw(1)
    last = rule is ChronotronE
    leaves, tree = jax.tree.flatten(rule(max_spikes=4) if last else rule())
    end = dict(end=ends()) if last else {}
    w = np.full((5, 4), 0.4)

    @jax.jit
    def loss(x):
        rule = jax.tree.unflatten(tree, list(x))
        return jnp.sin(replay(rule, pre, out, DT, weights=w, target=target, **end)[0]).sum()

    x = np.array([float(leaf) for leaf in leaves])
    grad = jax.jit(jax.grad(loss))(x)
    for k, h in enumerate(1e-6 * np.eye(len(x))):
        slope = (loss(x + h) - loss(x - h)) / 2e-6
        assert float(grad[k]) == pytest.approx(float(slope), rel=1e-5, abs=1e-9)


def test_float32_and_bad_input():
    pre, out, target = (jnp.asarray(x, jnp.float32) for x in draw(1))
    rule = jax.tree.map(lambda x: x.astype(jnp.float32), ChronotronE(max_spikes=4))
    end = jnp.asarray(ends(), jnp.float32)
    w = replay(rule, pre, out, DT, weights=jnp.float32(0), target=target, end=end).weights
    assert w.dtype == jnp.float32
    full = replay(
        ChronotronE(max_spikes=4), *draw(1)[:2], DT, target=draw(1)[2], end=ends()
    ).weights
    np.testing.assert_allclose(w, full, rtol=1e-3, atol=1e-4)
    with pytest.raises(
        ValueError, match=r"tau_s=12 ms must be below ChronotronE\.tau_m=10"
    ):
        ChronotronE(tau_s=12.0)
    with pytest.raises(ValueError, match="max_spikes must be a whole number above 0"):
        ChronotronE(max_spikes=0)
