"""Delay-learning ReSuMe: against a loop over arrivals, and beside ReSuMe on its task."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import (
    DLReSuMe,
    Normalised,
    ReSuMe,
    RewardModulated,
    StructuralPlasticity,
    SynapticScaling,
    replay,
)
from snnjax.plasticity.wiring import Listed, Pairs

DT, STEPS = 0.5, 240


def draw(seed):
    rng = np.random.default_rng(seed)
    pre = (rng.random((STEPS, 8)) < 0.03).astype(float)
    out, target = ((rng.random((STEPS, 3)) < 0.03).astype(float) for _ in range(2))
    end = np.zeros((STEPS, 3))
    end[STEPS // 2 - 1] = end[-1] = 1
    return pre, out, target, end, rng.normal(size=(8, 3))


def run(rule, pre, out, target, end, w):
    return replay(rule, pre, out, DT, weights=w, target=target, end=end)


def brute_force(pre, out, target, end, w, lead, most):
    """(weights, delays in steps): every synapse has a list of what arrived when."""
    w, delay = w.copy(), np.zeros(w.shape, int)
    arrived = {pair: [] for pair in np.ndindex(*w.shape)}
    moved = set()
    for step in range(STEPS):
        error, was = target[step] - out[step], delay.copy()
        for (i, j), times in arrived.items():
            ago = (step - np.array(times)) * DT
            w[i, j] += error[j] * (0.02 + 0.3 * np.exp(-ago / 5).sum())
        for j in np.flatnonzero(error):
            if end[step, j]:
                continue
            free = {}
            for i in range(len(w)):
                same = w[i, j] >= 0 if error[j] > 0 else w[i, j] < 0
                if same and (i, j) not in moved and arrived[i, j]:
                    shift = step - arrived[i, j][-1] - lead
                    if shift > 0 and shift + delay[i, j] <= most:
                        free[i] = shift
            for i, shift in free.items():
                if shift == min(free.values()):
                    delay[i, j] += shift
                    moved.add((i, j))
        for (i, j), times in arrived.items():
            sent = step - was[i, j]
            if sent >= 0 and pre[sent, i]:
                times.append(step)
            if end[step, j]:
                times.clear()
    return w, delay


@pytest.mark.parametrize(("seed", "lead", "most"), [(0, 2, 20), (1, 0, 12), (2, 6, 30)])
def test_it_is_a_loop_over_arrivals(seed, lead, most):
    data = draw(seed)
    rule = DLReSuMe(0.02, 0.3, 5.0, lead * DT, max_delay=most * DT)
    got = run(rule, *data)
    w, delay = brute_force(*data, lead, most)
    np.testing.assert_allclose(got.state.own.delay, delay * DT, rtol=1e-12)
    np.testing.assert_allclose(got.weights, w, rtol=1e-9)
    assert 3 <= (delay > 0).sum() < delay.size


def test_without_room_for_delays_it_is_resume():
    pre, out, target, end, w = draw(3)
    end = 0 * end
    plain = replay(ReSuMe(), pre, out, DT, weights=w, target=target).weights
    same = run(DLReSuMe(max_delay=0.0), pre, out, target, end, w).weights
    np.testing.assert_allclose(same, plain, rtol=1e-12)
    moved = run(DLReSuMe(), pre, out, target, end, w).weights
    assert np.abs(moved - plain).max() > 1e-3


def test_learned_delays_are_those_that_spikes_arrive_with():
    """One input, delayed in the first trial, makes the neuron fire later in the second."""
    cell = snn.LIF(10.0, 1.0, 0.0, threshold=5.0, v_reset=0.0)
    cells = snn.Population(cell, 1, snn.Exponential(5.0))
    x, y = np.zeros((1, 60, 1)), np.zeros((1, 60, 1))
    x[0, 10], y[0, 25] = 1, 1
    rule = DLReSuMe(0.0, 0.0, lead=4.0, max_delay=20.0)
    result = snn.learn_trials(rule, cells, x, y, 1.0, epochs=3, weights=[[40.0]])
    first = np.argmax(np.asarray(result.spikes)[:, 0, :, 0], 1)
    assert first[1] - first[0] == 25 - 10 - 4 and first[2] == first[1]


N_IN, N_OUT = 30, 3
CELLS = snn.Population(
    snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0), N_OUT, snn.Exponential(5.0)
)
RULE = DLReSuMe(0.02, 0.3, lead=DT, max_delay=8 * DT)


def trial(seed):
    """(inputs, targets, weights) of one trial."""
    rng = np.random.default_rng(seed)
    x, y = ((rng.random((STEPS, n)) < 0.03).astype(float) for n in (N_IN, N_OUT))
    return x, y, rng.normal(2.0, 3.0, (N_IN, N_OUT))


def in_network(rule, x, y, w, shape=(), **kwargs):
    """(spikes of the outputs, what was learned) of a trial in a network."""
    train = lambda x: snn.inputs.from_array(x, DT)
    wiring = kwargs.pop("wiring", snn.connect.AllToAll())
    weight = w if np.ndim(w) == 1 else np.ravel(w)
    join = snn.Projection("in", "out", wiring, weight, learning=rule, **kwargs)
    populations = {"in": snn.Population(train(x), N_IN), "out": CELLS}
    end = np.zeros((STEPS, N_OUT))
    end[-1] = 1
    given = {"in->out.target": train(y), "in->out.end": train(end)}
    net = snn.Network(populations, [join])
    sol = snn.simulate(net, given, DT, n_steps=STEPS, shape=shape, record=snn.Trace())
    return np.asarray(sol.ys)[..., N_IN:], sol.final.learned["in->out"]


def in_trials(rule):
    x, y, w = trial(0)
    return snn.learn_trials(rule, CELLS, x[None], y[None], DT, epochs=1, weights=w)


@pytest.fixture(scope="module")
def alone():
    return in_trials(RULE)


@pytest.mark.parametrize("form", [{}, dict(operator="sparse"), dict(delay=DT)])
def test_a_network_sends_with_the_delays_that_trials_do(form, alone):
    x, y, w = trial(0)
    spikes, learned = in_network(RULE, x, y, w, **form)
    np.testing.assert_array_equal(spikes, alone.spikes[0, 0])
    np.testing.assert_allclose(learned.weight.reshape(w.shape), alone.weights, rtol=1e-9)
    # The delays are those of a loop over arrivals, and make other spikes than none do.
    end = np.zeros((STEPS, N_OUT))
    end[-1] = 1
    delay = brute_force(x, spikes, y, end, w, 1, 8)[1]
    np.testing.assert_allclose(learned.rule.own.delay.reshape(w.shape), delay * DT)
    assert (delay > 0).sum() > 5
    assert (in_trials(ReSuMe(0.02, 0.3)).spikes[0, 0] != spikes).sum() > 5


def test_the_delay_of_the_projection_comes_before_that_of_the_rule():
    x, y, w = trial(2)
    later = np.concatenate([np.zeros((2, N_IN)), x[:-2]])
    expected, learned = in_network(RULE, later, y, w)
    own = lambda at: np.ravel(at.rule.own.delay)
    spikes, at = in_network(RULE, x, y, w, delay=np.full(N_IN * N_OUT, 3 * DT))
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_allclose(own(at), own(learned))
    assert spikes.sum() > 5 and own(at).max() > 0


def test_a_part_of_all_pairs_sends_through_its_own_synapses():
    """A list of synapses, beside all pairs of which the others never fire."""
    x, y, w = trial(3)
    x[:, 20:] = 0
    pre, post = np.nonzero(np.arange(N_IN)[:, None] < 20 + np.zeros(N_OUT))
    part = dict(wiring=snn.connect.FromArrays(pre, post))
    expected, learned = in_network(RULE, x, y, w)
    spikes, at = in_network(RULE, x, y, w[pre, post], **part)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_allclose(at.rule.own.delay, learned.rule.own.delay[pre, post])
    assert spikes.sum() > 5


def test_items_of_a_batch_have_delays_of_their_own():
    x, y, w = trial(4)
    targets = np.stack([y, y[::-1]], 1)
    spikes, at = in_network(RULE, x, targets, w, (2,))
    delays = np.asarray(at.rule.own.delay)
    assert (delays[0] != delays[1]).sum() > 3
    one, learned = in_network(RULE, x, targets[:, 1], w)
    np.testing.assert_array_equal(spikes[:, 1], one)
    np.testing.assert_allclose(delays[1], learned.rule.own.delay)


WRAPPED = [
    Normalised(RULE, every=1e6),
    SynapticScaling(RULE, every=1e6),
    StructuralPlasticity(RULE, 0.0, every=1e6, key=jax.random.key(0)),
]


@pytest.mark.parametrize("wrapped", WRAPPED, ids=lambda rule: type(rule).__name__)
def test_a_rule_around_it_sends_with_its_delays(wrapped, alone):
    np.testing.assert_array_equal(in_trials(wrapped).spikes, alone.spikes)


def test_a_reward_leaves_the_delays():
    """What waits for a reward are weights."""
    rule = RewardModulated(RULE)
    own = rule.own(jnp.ones((2, 3)))
    inner = own.rule._replace(arrived=jnp.arange(6.0).reshape(2, 3))
    assert rule.own_delays and not RewardModulated(ReSuMe()).own_delays
    np.testing.assert_array_equal(rule.late(own._replace(rule=inner)), inner.arrived)


def test_delays_save_epochs():
    tasks = [snn.datasets.spike_pattern_association(seed) for seed in range(6)]
    x, y = (np.stack([getattr(t, name) for t in tasks]) for name in ("inputs", "targets"))
    w = np.random.default_rng(0).uniform(0, 4, (6, 400, 1))
    cells = snn.Population(
        snn.LIF(10.0, 1.0, 0.0, threshold=20.0, v_reset=0.0), 1, snn.Exponential(5.0)
    )

    def epochs(rule):
        one = lambda x, y, w: snn.learn_trials(rule, cells, x, y, 1.0, epochs=70, weights=w)
        r = np.median(jax.jit(jax.vmap(one))(x, y, w).correlation[..., 0, 0], 0)
        assert r.max() >= 0.95
        return np.argmax(r >= 0.95)

    assert epochs(DLReSuMe(0.01, 0.1)) < epochs(ReSuMe(0.01, 0.1))


def test_the_largest_of_a_target_in_both_forms():
    rng = np.random.default_rng(4)
    there = rng.random((6, 4)) < 0.5
    there[:, 3] = False
    x = np.where(there, rng.random((6, 4)), 0)
    indptr = np.concatenate([[0], there.sum(1).cumsum()]).astype(np.uint32)
    post = jnp.asarray(np.nonzero(there)[1], jnp.uint32)
    listed = Listed.of(jnp.asarray(indptr), post, 4)
    expected = x.max(0)
    np.testing.assert_array_equal(Pairs((6, 4)).largest_onto_post(jnp.asarray(x)), expected)
    np.testing.assert_array_equal(listed.largest_onto_post(jnp.asarray(x[there])), expected)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="max_delay must be at least 0 ms"):
        DLReSuMe(max_delay=-1.0)
    with pytest.raises(
        ValueError, match=r"max_delay=1\.2 ms must be a whole number of steps"
    ):
        run(DLReSuMe(max_delay=1.2), *draw(0))
    x, y, w = trial(0)
    for beside in (
        dict(release=snn.TsodyksMarkram()),
        dict(delay=1.0, dendritic_delay=1.0),
    ):
        with pytest.raises(ValueError, match=f"Leave out {list(beside)[-1]}"):
            in_network(RULE, x, y, w, **beside)
    join = snn.Projection("a", "b", snn.connect.AllToAll(), learning=RULE)
    net = snn.Network(dict(a=CELLS, b=CELLS), [join])
    with pytest.raises(ValueError, match="DLReSuMe, has delays of its own"):
        net.shard(1)
