"""Learning rules: the contract, the ways in which a rule is run, and plastic projections."""

import functools
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
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


# Plastic projections


def network(learning=FREE, wiring=None, **kwargs):
    sources = snn.Population(snn.inputs.poisson(30.0, shape=(6,), key=jax.random.key(1)), 6)
    cells = snn.Population(
        snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0), 4, snn.Exponential(5.0)
    )
    wiring = snn.connect.AllToAll() if wiring is None else wiring
    kwargs = dict(weight=9.0) | kwargs
    return snn.Network(
        dict(inputs=sources, cells=cells),
        [snn.Projection("inputs", "cells", wiring, learning=learning, **kwargs)],
        key=jax.random.key(0),
    )


NAME = "inputs->cells"
DRIVE = snn.inputs.constant(np.linspace(6.0, 9.0, 4))
RECORD = dict(w=snn.Trace(f"{NAME}.weight", every=600), s=snn.Trace())


def learned(net, **kwargs):
    drive = {"cells": DRIVE}
    sol = snn.simulate(net, drive, 0.5, n_steps=600, record=RECORD, **kwargs)
    s = np.asarray(sol.ys["s"])
    return np.asarray(sol.ys["w"][-1]), s[:, :6], s[:, 6:]


WIRINGS = {"all": None, "sparse": snn.connect.FixedInDegree(3)}


@pytest.mark.parametrize("most", [0, 10**6])
@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize(
    "delays",
    [
        {},
        dict(delay=3.0),
        dict(delay=3.0, dendritic_delay=2.0),
        dict(delay=snn.connect.Uniform(1.0, 5.0)),
        dict(
            delay=snn.connect.Uniform(1.0, 5.0),
            dendritic_delay=snn.connect.Uniform(0.0, 4.0),
        ),
    ],
)
def test_a_projection_learns_from_the_spikes_of_both_sides(wiring, delays, most, by_event):
    by_event(most)
    rule = STDP(0.4, 0.5, bounds=HardBounds(0.0, 12.0))
    net = network(rule, WIRINGS[wiring], **delays)
    w, pre, post = learned(net)
    assert pre.sum() > 20 and post.sum() > 20
    s = net.synapses[NAME]
    matrix = lambda x: np.asarray(x).reshape(6, 4) if s.post is None else scattered(s, x)
    lag, dendritic = np.zeros((6, 4), int), np.zeros((6, 4), int)
    if delays:
        axonal = np.broadcast_to(s.delay, s.n_synapses)
        if s.dendritic_delay is not None:
            late = np.broadcast_to(s.dendritic_delay, s.n_synapses)
            dendritic = matrix(np.rint(late / 0.5)).astype(int)
        lag = matrix(np.rint(axonal / 0.5)).astype(int) - 1 - dendritic
        lag = np.maximum(lag, 0)
    there = matrix(np.ones(s.n_synapses))
    expected = brute_force(pre, post, 9.0 * there, 0.5, rule, lag, dendritic)
    np.testing.assert_allclose(matrix(w) * there, expected * there, rtol=1e-9)
    assert np.abs(w - 9.0).max() > 0.5


def scattered(s, x):
    full = np.zeros((6, 4))
    full[np.asarray(s.pre()), np.asarray(s.post)] = x
    return full


def test_weights_that_have_changed_are_those_that_act():
    """With a rule that learns nothing all is as without; with one that does it is not."""
    still = learned(network(STDP(0.0, 0.0, bounds=NoBounds())))
    static = snn.simulate(network(None), {"cells": DRIVE}, 0.5, n_steps=600)
    np.testing.assert_array_equal(np.concatenate(still[1:], 1), static.ys)
    w, *_, post = learned(network(STDP(0.4, 0.1, bounds=NoBounds())))
    assert (w > 9.0).all() and post.sum() > still[2].sum()
    net = network(STDP(0.4, 0.1, bounds=NoBounds()))
    sol = snn.simulate(net, {}, 0.5, n_steps=600, record=RECORD)
    after = net.absorb(sol.final)
    np.testing.assert_array_equal(after.synapses[NAME].weight, np.ravel(sol.ys["w"][-1]))


def test_chunks_and_jit_change_nothing():
    run = functools.partial(
        learned, network(wiring=snn.connect.FixedInDegree(3), delay=3.0)
    )
    whole = run()
    for kwargs in (dict(chunk=600 // 1), {}):
        np.testing.assert_array_equal(run(**kwargs)[0], whole[0])
    drive = {"cells": DRIVE}
    net = network(wiring=snn.connect.FixedInDegree(3), delay=3.0)
    half = snn.simulate(net, drive, 0.5, n_steps=300)
    rest = snn.simulate(net, drive, 0.5, n_steps=300, state=half.state)
    np.testing.assert_array_equal(rest.final.learned[NAME].weight, whole[0])
    state = net.init(dt=0.5)
    jitted = eqx.filter_jit(
        lambda net, state: (
            snn.simulate(
                net,
                drive,
                0.5,
                n_steps=600,
                record=RECORD["w"],
                state=snn.RunState(state),
                throw=False,
            ).ys
        )
    )
    np.testing.assert_allclose(jitted(net, state)[-1], whole[0], rtol=1e-12)


def test_items_of_a_batch_have_their_own_weights_or_share_them():
    drives = np.linspace(5.0, 9.0, 12).reshape(3, 4)
    run = lambda net, drive, shape: snn.simulate(
        net,
        {"cells": snn.inputs.constant(drive)},
        0.5,
        n_steps=300,
        shape=shape,
        record=dict(s=snn.Trace()),
    )
    own = run(network(STDP(0.4, 0.5, bounds=NoBounds())), drives, (3,))
    for k in range(3):
        one = run(network(STDP(0.4, 0.5, bounds=NoBounds())), drives[k], ())
        got = own.final.learned[NAME].weight[k]
        np.testing.assert_allclose(got, one.final.learned[NAME].weight, rtol=1e-12)
    net = network(STDP(0.4, 0.5, bounds=NoBounds()), shared=True)
    shared = run(net, drives, (3,))
    w = np.full((6, 4), 9.0)
    s = np.asarray(shared.ys["s"])
    changes = [replay(FREE_BIG, s[:, k, :6], s[:, k, 6:], 0.5).weights for k in range(3)]
    expected = w + np.mean(changes, 0)
    np.testing.assert_allclose(shared.final.learned[NAME].weight, expected, rtol=1e-10)


@pytest.mark.parametrize("delay", [None, 2.0])
def test_steps_by_event_do_not_copy_the_weights(delay):
    """They are read before they change, so that one array is enough."""
    sources = snn.Population(
        snn.inputs.poisson(30.0, shape=(37,), key=jax.random.key(1)), 37
    )
    cells = snn.Population(snn.LIF(), 41, snn.Exponential(5.0))
    join = snn.Projection("a", "b", snn.connect.AllToAll(), 9.0, delay, learning=FREE)
    net = snn.Network(dict(a=sources, b=cells), [join])
    state = net.open(net.init(dt=0.5), 0.5)
    step = lambda state, _: net.step(state, {}, jnp.asarray(0.5))
    run = jax.jit(lambda state: jax.lax.scan(step, state, length=50)[0])
    text = run.lower(state).compile().as_text()
    copied = re.findall(r"f64\[(?:1,)?37,41\]\S* copy\(%(\w+)", text)
    assert copied and all(name.startswith("state") for name in copied)  # before the loop


FREE_BIG = STDP(0.4, 0.5, bounds=NoBounds())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: STDP(tau_plus=0.0), r"STDP\.tau_plus must be above 0 ms"),
        (lambda: STDP(pairing="al"), r"STDP\.pairing.*Did you mean 'all'"),
        (lambda: HardBounds(1.0, 0.0), r"w_min=1 must be below HardBounds\.w_max=0"),
        (lambda: network(STDP()), "weight, within HardBounds, must be at most 1"),
        (lambda: network("STDP"), "learning must be a learning rule such as STDP"),
        (lambda: network(operator="counts"), "needs a weight of its own for each synapse"),
        (lambda: network(delay=1.0, interpolate=True), "interpolate=True"),
        (
            lambda: snn.simulate(network(), {f"{NAME}.reward": 1.0}, 0.5, n_steps=3),
            "STDP takes no signal 'reward'",
        ),
        (
            lambda: replay(FREE, np.zeros((5, 2)), np.zeros((4, 2)), 0.5),
            "as many steps, got 5 and 4",
        ),
        (
            lambda: replay(FREE, np.zeros((5, 2)), np.zeros((5, 2)), 0.0),
            r"replay\.dt must be above",
        ),
        (
            lambda: network(
                plasticity.WindowSTDP(plasticity.RickerWindow(), lazy=True), delay=1.0
            ),
            "see both sides at once",
        ),
        (lambda: STDP().init((3,)), "needs the shape of the weights"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtypes(dtype):
    rule = jax.tree.map(lambda x: x.astype(dtype), FREE)
    w = replay(
        rule, jnp.ones((5, 2), dtype), jnp.ones((5, 3), dtype), 0.5, weights=dtype(0)
    ).weights
    assert w.dtype == dtype and w.shape == (2, 3)
    assert plasticity.STDP is STDP
