"""Plastic projections: what they learn in a network, in every form, and what they refuse."""

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
from snnjax.plasticity import STDP, HardBounds, NoBounds, replay
from tests.test_plasticity import FREE, brute_force


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
def test_a_projection_learns_from_the_spikes_of_both_sides(
    wiring, delays, most, monkeypatch
):
    monkeypatch.setattr(backend, "EACH_UP_TO", most)
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
