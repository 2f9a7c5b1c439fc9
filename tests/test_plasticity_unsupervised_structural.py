"""Synapses that are pruned and grown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import STDP, HardBounds, NoBounds, StructuralPlasticity, replay

DT, STEPS, EVERY = 0.5, 400, 50.0
KEY = jax.random.key(7)
LEARNER = STDP(0.02, 0.05, bounds=HardBounds(0.0, 1.0))
RULE = StructuralPlasticity(LEARNER, 0.12, 0.2, EVERY, key=KEY)
RNG = np.random.default_rng(0)
PRE = (RNG.random((STEPS, 20)) < 0.03).astype(float)
POST = (RNG.random((STEPS, 5)) < 0.03).astype(float)
START = RULE.draw(20, 5, 6)
AT = np.arange(99, STEPS, 100)  # the steps at whose end synapses are rewired


@jax.jit
def run(rule, pre=PRE, weights=START):
    return replay(
        rule, pre, POST.astype(pre.dtype), DT, weights=weights, history=True
    ).history


def history(*args):
    return np.asarray(run(*args))


def test_the_start_has_as_many_synapses_for_each_target():
    assert ((START == 0.2).sum(0) == 6).all() and ((START == 0).sum(0) == 14).all()
    assert len({tuple(np.flatnonzero(column)) for column in np.asarray(START).T}) > 1


def test_weak_synapses_go_and_as_many_grow():
    w, there, moved = history(RULE), np.asarray(START) != 0, 0
    for last, at in zip(AT - 100, AT, strict=True):
        assert (w[max(last, 0) : at][:, ~there] == 0).all()
        before = alone(w, last, at, there)
        weak = there & (before < 0.12)
        grown = (w[at] != 0) & ~there
        stays = there & ~weak
        np.testing.assert_allclose(w[at][stays], before[stays], rtol=1e-12)
        assert (w[at][grown] == 0.2).all() and (w[at][weak] == 0).all()
        np.testing.assert_array_equal(grown.sum(0), weak.sum(0))
        there = stays | grown
        moved += weak.sum()
    assert (there.sum(0) == 6).all() and moved > 5


def alone(w, last, at, there):
    """Weights before the rewiring after step `at`, by pair STDP since that after step `last`."""
    now = np.asarray(START) if last < 0 else w[last]
    for k in range(last + 1, at + 1):
        ago = DT * (k - np.arange(k))
        y = np.exp(-ago / 20) @ POST[:k]
        x = np.exp(-ago / 20) @ PRE[:k]
        now = np.clip(now - 0.05 * PRE[k][:, None] * y, 0, 1)
        now = np.clip(now + 0.02 * POST[k] * x[:, None], 0, 1) * there
    return now


def test_the_key_decides_where():
    same, other = (
        history(StructuralPlasticity(LEARNER, 0.12, 0.2, EVERY, key=key))
        for key in (jax.random.key(7), jax.random.key(8))
    )
    np.testing.assert_array_equal(same, history(RULE))
    assert (same[AT[0] - 1] == other[AT[0] - 1]).all() and (same[-1] != other[-1]).any()


def test_all_places_can_be_reached():
    """With a threshold above what the rule makes of them, all synapses move each time."""
    still = STDP(0.0, 0.0, bounds=NoBounds())
    rule = StructuralPlasticity(still, 0.5, 0.6, DT, key=KEY)
    weights = 0.4 * (START != 0)
    w = history(rule, PRE, weights)
    assert ((w[0] != 0) & (weights != 0)).sum() == 0  # 14 places were free for 6
    # Of 18 of 20 places 10 are left, so 8 synapses grow where others were; none on the strong.
    crowded = np.repeat([0.4, 0.7, 0.0], [10, 8, 2])[:, None] * np.ones(5)
    w = history(rule, PRE, crowded)[0]
    assert ((w[:10] == 0.6).sum(0) == 8).all() and (w[10:18] == 0.7).all()
    assert (w[18:] == 0.6).all()
    grow = np.asarray(
        jax.vmap(
            lambda key: (
                replay(
                    StructuralPlasticity(still, 0.1, 0.3, DT, key=key),
                    PRE[:1, :4],
                    POST[:1, :1],
                    DT,
                    weights=np.array([[0.05], [0.0], [0.0], [0.0]]),
                ).weights
            )
        )(jax.random.split(KEY, 900))
    )[:, :, 0]
    count = (grow == 0.3).sum(0)
    assert count[0] == 0 and count.sum() == 900
    assert abs(count[1:] - 300).max() < 4 * np.sqrt(900 * 2 / 9)  # 4 standard deviations


def test_a_batch_and_float32_and_gradients():
    batch = np.stack([PRE, PRE[::-1]])
    together = np.asarray(jax.vmap(run, (None, 0, None))(RULE, batch, START))
    np.testing.assert_allclose(together[0], history(RULE), rtol=1e-12)
    assert (together[0] != together[1]).any() and ((together[:, -1] != 0).sum(1) == 6).all()
    make = lambda a: StructuralPlasticity(
        STDP(a, 0.05, bounds=HardBounds()), 0.12, 0.2, EVERY, key=KEY
    )
    mean = lambda a: run(make(a))[-1].mean()
    slope = float(mean(0.02 + 1e-7) - mean(0.02 - 1e-7)) / 2e-7
    assert float(jax.grad(mean)(0.02)) == pytest.approx(slope, rel=1e-5) and slope > 0
    cast = lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x
    narrow = run(
        jax.tree.map(cast, RULE),
        jnp.asarray(PRE, jnp.float32),
        jnp.asarray(START, jnp.float32),
    )
    assert narrow.dtype == jnp.float32 and ((narrow[-1] != 0).sum(0) == 6).all()


EACH_ITS_OWN = pytest.param(snn.connect.Uniform(1.0, 4.0), marks=pytest.mark.slow)


@pytest.mark.parametrize("delay", [2.0, EACH_ITS_OWN, "sparse"])
def test_a_network_is_rewired(delay):
    """Also where synapses are a list: all pairs with delays of their own, or a part of them."""
    source = snn.Population(snn.inputs.poisson(50.0, shape=(20,), key=KEY), 20)
    lif = snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0)
    cells = snn.Population(lif, 5, snn.Exponential(5.0))
    learner = STDP(0.4, 0.5, bounds=HardBounds(0.0, 9.0))
    rule = StructuralPlasticity(learner, 2.5, 3.0, EVERY, key=KEY)
    wiring, weight = snn.connect.AllToAll(), rule.draw(20, 5, 6).ravel()
    if delay == "sparse":
        wiring, weight, delay = (
            snn.connect.FixedInDegree(15),
            np.tile([3.0, 0.0, 0.0], 25),
            None,
        )
    net = snn.Network(
        dict(s=source, c=cells),
        [snn.Projection("s", "c", wiring, weight, delay, learning=rule)],
        key=KEY,
    )
    s = net.synapses["s->c"]
    post = np.tile(np.arange(5), 20) if s.post is None else np.asarray(s.post)
    sol = snn.simulate(net, {"c": snn.inputs.constant(9.0)}, DT, n_steps=STEPS)
    w = np.asarray(sol.final.learned["s->c"].weight).ravel()
    number = lambda w: np.bincount(post[w != 0], minlength=5)
    np.testing.assert_array_equal(number(w), number(np.asarray(weight)))
    assert ((w != 0) & (weight == 0)).sum() > 2
    assert w[w != 0].min() >= 2.5  # the last step rewires


def test_a_batch_that_shares_its_weights_is_rewired_by_them():
    """Items see other spikes, and still each target keeps its number of synapses."""
    source = snn.Population(snn.inputs.poisson(50.0, shape=(20,), key=KEY), 20)
    lif = snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0)
    cells = snn.Population(lif, 5, snn.Exponential(5.0))
    learner = STDP(0.4, 0.5, bounds=HardBounds(0.0, 9.0))
    rule = StructuralPlasticity(learner, 2.5, 3.0, EVERY, key=KEY)
    start = rule.draw(20, 5, 6)
    net = snn.Network(
        dict(s=source, c=cells),
        [
            snn.Projection(
                *("s", "c", snn.connect.AllToAll(), start.ravel()),
                learning=rule,
                shared=True,
            )
        ],
    )
    drive = {"c": snn.inputs.constant(np.linspace(5.0, 9.0, 15).reshape(3, 5))}
    record = dict(w=snn.Trace("s->c.weight"), s=snn.Trace())
    sol = snn.simulate(net, drive, DT, n_steps=STEPS, shape=(3,), record=record)
    w, s = (np.asarray(sol.ys[name]) for name in "ws")
    np.testing.assert_array_equal((w != 0).sum(1), 6)
    assert ((w[-1] != 0) & (np.asarray(start) == 0)).sum() > 2
    assert (s[:, 0] != s[:, 1]).sum() > 5
    there = np.asarray(sol.final.learned["s->c"].rule.own.there)
    np.testing.assert_array_equal(there, np.broadcast_to(w[-1] != 0, there.shape))
    before = round(EVERY / DT) - 1  # learned by the mean of what the items learn
    free = STDP(0.4, 0.5, bounds=NoBounds())
    items = [replay(free, s[:before, k, :20], s[:before, k, 20:], DT) for k in range(3)]
    change = np.where(start != 0, np.mean([item.weights for item in items], 0), 0)
    np.testing.assert_allclose(w[before - 1], start + change, rtol=1e-9)
    assert abs(change).max() > 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: StructuralPlasticity(LEARNER),
            r"StructuralPlasticity\.key must be a random key",
        ),
        (
            lambda: StructuralPlasticity(LEARNER, key=3),
            r"StructuralPlasticity\.key must be",
        ),
        (
            lambda: StructuralPlasticity(LEARNER, 0.3, 0.2, key=KEY),
            "above the threshold, 0.3",
        ),
        (
            lambda: StructuralPlasticity(LEARNER, 0.3, 2.0, key=KEY),
            "StructuralPlasticity.start, within HardBounds",
        ),
        (
            lambda: StructuralPlasticity(LEARNER, every=0.0, key=KEY),
            r"every must be above 0 ms",
        ),
        (lambda: RULE.draw(3, 5, 6), r"n_synapses must be at most 3"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
