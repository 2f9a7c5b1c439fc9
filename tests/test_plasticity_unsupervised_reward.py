"""Rules that wait for a reward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import (
    STDP,
    HardBounds,
    NoBounds,
    Normalised,
    RewardModulated,
    SoftBounds,
    replay,
)

DT, STEPS = 0.5, 400
WITHIN = STDP(0.1, 0.12, 15.0, 25.0, NoBounds())


def trains(seed, n, p=0.03):
    return (np.random.default_rng(seed).random((STEPS, n)) < p).astype(float)


PRE, POST = trains(0, 3), trains(1, 2)
T = np.arange(STEPS) * DT


def pairs(i, j):
    """(time, change) of each pair of spikes: that of the later one."""
    for a in T[PRE[:, i] > 0]:
        for b in T[POST[:, j] > 0]:
            if b != a:
                yield (
                    max(a, b),
                    0.1 * np.exp((a - b) / 15) if b > a else -0.12 * np.exp((b - a) / 25),
                )


def expected(reward_of_pair):
    total = lambda i, j: sum(d * reward_of_pair(t, j) for t, d in pairs(i, j))
    return np.array([[total(i, j) for j in range(2)] for i in range(3)])


def test_eligibility_is_cashed_by_the_reward_of_each_moment():
    reward = np.random.default_rng(2).normal(size=(STEPS, 2))

    def later(t, j):
        """The integral of the reward, times what is left of a change at time t."""
        end = np.maximum(T, t)  # of each step; it begins dt before
        begin = np.maximum(T - DT, t)
        left = 80 * (np.exp(-(begin - t) / 80) - np.exp(-(end - t) / 80))
        return (left * reward[:, j]).sum()

    rule = RewardModulated(WITHIN, 80.0)
    w = replay(rule, PRE, POST, DT, weights=0.5, reward=reward).weights
    np.testing.assert_allclose(w, 0.5 + expected(later), rtol=1e-10)
    assert abs(w - 0.5).min() > 1e-2


def test_dopamine_is_the_product_of_two_decays():
    pulses = 0.2 * trains(3, 1, 0.02)[:, 0]

    def later(t, j):
        total = 0.0
        tau = 1 / (1 / 80 + 1 / 30)
        for s, r in zip(T[pulses > 0], pulses[pulses > 0], strict=True):
            m, end = max(s, t), T[-1]
            start = np.exp(-(m - t) / 80 - (m - s) / 30)
            total += r * start * tau * (1 - np.exp(-(end - m) / tau))
        return total

    rule = RewardModulated(WITHIN, 80.0, 30.0)
    w = replay(rule, PRE, POST, DT, weights=0.5, reward=pulses).weights
    np.testing.assert_allclose(w, 0.5 + expected(later), rtol=1e-10)
    assert abs(w - 0.5).min() > 1e-2


def test_bounds_are_those_of_the_weight_and_not_of_the_eligibility():
    """A synapse at its upper bound is eligible, and a punishment takes weight from it."""
    pre, post = np.zeros((2, STEPS))
    pre[10] = post[20] = 1
    for bounds in (HardBounds(0.0, 0.5), SoftBounds(0.0, 0.5)):
        rule = RewardModulated(STDP(0.1, 0.1, bounds=bounds), 80.0)
        run = lambda r, rule=rule: replay(rule, pre, post, DT, weights=0.5, reward=r)
        assert float(run(1.0).weights[0, 0]) == 0.5
        down = run(-0.01)
        assert float(down.state.own.e[0, 0]) > 0
        assert float(down.weights[0, 0]) < 0.46


@pytest.mark.parametrize("seed", [0, 1])
def test_distal_reward_is_learned(seed):
    """Of 20 synapses with as many coincidences, the one that is rewarded 1-3 s later wins."""
    rng, dt, n, n_steps = np.random.default_rng(seed), 5.0, 20, 200_000
    happens = lambda hz, n: rng.random((n_steps, n)) < hz * dt / 1000
    pre, post, pair = happens(0.5, n), happens(0.5, 1), happens(0.05, n)
    pair[-700:] = False
    pre |= pair
    post[1:] |= pair[:-1].any(1, keepdims=True)
    good = np.flatnonzero(pair[:, 0])
    reward = np.zeros(n_steps)
    late = rng.uniform(1000, 3000, len(good)) / dt
    np.add.at(reward, good + np.rint(late).astype(int), 4e-3)
    learner = STDP(0.1, 0.15, 20.0, 20.0, HardBounds(0.0, 1.0))
    rule = RewardModulated(learner, 1000.0, 200.0)
    w = replay(rule, pre.astype(float), post.astype(float), dt, weights=0.2, reward=reward)
    first, others = float(w.weights[0, 0]), np.asarray(w.weights[1:, 0])
    assert first > others.max() + 0.1
    assert first - 0.2 > 3 * (others.mean() - 0.2)


def test_reward_reaches_a_projection_and_its_neighbour_does_not():
    source = snn.Population(snn.inputs.poisson(60.0, shape=(5,), key=jax.random.key(1)), 5)
    lif = snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0)
    cells = snn.Population(lif, 2, snn.Exponential(5.0))
    rule = Normalised(RewardModulated(STDP(0.2, 0.1, bounds=HardBounds(0, 9)), 50.0), 30.0)
    join = lambda **kwargs: snn.Projection("s", "c", snn.connect.AllToAll(), 6.0, **kwargs)
    net = snn.Network(
        dict(s=source, c=cells),
        [join(learning=rule, name="a"), join(learning=rule.rule, name="b", delay=2.0)],
        key=jax.random.key(0),
    )
    run = lambda drive: snn.simulate(net, drive, DT, n_steps=STEPS).final.learned
    got = run({"a.reward": snn.inputs.constant(np.array([0.0, 0.1])), "b.reward": 0.0})
    a, b = np.asarray(got["a"].weight).reshape(5, 2), np.asarray(got["b"].weight)
    np.testing.assert_allclose(a[:, 0], 6.0)
    assert abs(a[:, 1] - 6.0).max() > 0.05
    np.testing.assert_allclose(a.sum(0), 30.0)
    np.testing.assert_array_equal(b, 6.0)


def test_gradients_dtypes_and_batches():
    run = jax.jit(
        lambda rule, pre, reward: (
            replay(
                rule,
                pre,
                POST.astype(pre.dtype),
                DT,
                weights=jnp.asarray(0.5, pre.dtype),
                reward=reward,
            ).weights
        )
    )
    make = lambda a, tau: RewardModulated(STDP(a, 0.12, bounds=NoBounds()), tau, 30.0)
    mean = lambda a, tau: run(make(a, tau), PRE, 0.01).mean()
    for k, x in enumerate((0.1, 80.0)):
        h = 1e-4 * x
        args = lambda h, k=k: [v + h * (i == k) for i, v in enumerate((0.1, 80.0))]
        slope = float(mean(*args(h)) - mean(*args(-h))) / (2 * h)
        assert float(jax.grad(mean, k)(0.1, 80.0)) == pytest.approx(slope, rel=1e-6)
    narrow = jax.tree.map(lambda x: x.astype(jnp.float32), make(0.1, 80.0))
    got = run(narrow, PRE.astype("f4"), jnp.float32(0.01))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, run(make(0.1, 80.0), PRE, 0.01), rtol=1e-5)
    batch = np.stack([PRE, trains(5, 3)])
    together = jax.vmap(run, (None, 0, None))(make(0.1, 80.0), batch, 0.01)
    np.testing.assert_allclose(
        together[1], run(make(0.1, 80.0), batch[1], 0.01), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RewardModulated(STDP), r"RewardModulated\.rule must be a learning rule"),
        (lambda: RewardModulated(Normalised(STDP())), r"Put Normalised around"),
        (
            lambda: RewardModulated(STDP(), 0.0),
            r"RewardModulated\.tau_e must be above 0 ms",
        ),
        (lambda: RewardModulated(STDP(), 1.0, 0.0), r"tau_reward must be above 0 ms"),
        (lambda: replay(RewardModulated(STDP()), PRE, POST, DT), "needs 'reward'"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
