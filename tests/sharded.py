"""What `test_shard.py` runs where jax sees eight devices."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.core.threshold import relax
from snnjax.networks import gather
from tests.sharded_networks import (
    CURRENT,
    DT,
    RECORD,
    at,
    close,
    cuba,
    loss,
    run,
    same,
    zoo,
)


def test_there_are_eight_devices():
    assert jax.device_count() == 8


def test_spikes_and_state_are_those_of_one_device():
    net = cuba()
    alone = run(net, n_steps=200)
    assert (alone.ys.sum(1) > 1).sum() > 50  # several at once
    for n in (1, 3, 8):
        out = run(net.shard(n), n_steps=200)
        same(out.ys, alone.ys)
        same(out.final, alone.final)


def test_a_run_with_delays_goes_on_with_other_devices():
    net = cuba(delay="each")
    whole = run(net)
    assert whole.ys[115:118].any(1).all()  # under way where the run is cut
    sharded = net.shard(8)
    assert sharded.period(whole.final) == 4
    chunked = run(sharded, n_steps=118, chunk=59)  # in the middle of a period
    second = run(net.shard(3), n_steps=122, state=gather(chunked.state))
    same(np.concatenate([chunked.ys, second.ys]), whole.ys)
    same(second.final, whole.final, 1e-12)


def test_period_is_the_shortest_delay():
    def period(net, dt=DT):
        return net.shard(2).period(net.init(dt=dt))

    assert period(cuba(10)) == 1
    assert period(cuba(10, delay=1.5)) == 12
    assert period(cuba(10, delay=1.5), 0.1) == 15
    for dt in (0.1, 0.125, 0.21, 0.3, 0.5):
        steps = round(0.5 / dt * (1 + 1e-6))
        assert steps - 1 <= period(cuba(10, delay="each"), dt) <= steps


@pytest.mark.slow
def test_every_recorder():
    net = cuba(delay=1.5)
    alone, out = (run(x, record=RECORD) for x in (net, net.shard(8)))
    v, v_alone = out.ys.pop("v"), alone.ys.pop("v")
    same(out.ys, alone.ys)
    same((v, out.final), (v_alone, alone.final), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("delayed", "n"), [(False, 8), (True, 3)])
def test_everything_a_network_has(delayed, n):
    net = zoo(delayed)
    sharded = net.shard(n)
    alone, out = (run(x, CURRENT) for x in (net, sharded))
    sizes = net.split(alone.ys)
    assert all(sizes[name].sum() > 20 for name in net.populations), sizes
    same(out.ys, alone.ys)
    same(out.final, alone.final, 1e-12)
    assert sharded.period(alone.final) == (3 if delayed else 1)
    for name, s in net.synapses.items():
        same(sharded.unshard().synapses[name].matrix(), s.matrix())


def test_gradient_is_that_of_one_device():
    net = cuba(n=42)
    gradient_of = eqx.filter_jit(eqx.filter_grad(loss))
    weight = at(gradient_of(net))
    assert (weight != 0).sum() > 100
    sharded = net.shard(4)
    gradient = at(gradient_of(sharded).network)
    cut = eqx.tree_at(lambda s: at(s.network), sharded, gradient)
    close(at(cut.unshard()), weight)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [None, "each"])
def test_gradients_pass_through_the_cut(delay):
    net = cuba(n=42, delay=delay)

    def both(n):
        value = lambda net: loss(net if n is None else net.shard(n))
        gradient = eqx.filter_grad(value)(net)
        return at(gradient), gradient.populations["cells"].neuron.tau_m

    for a, b in zip(both(4), both(None), strict=True):
        assert (b != 0).sum() > 10
        close(a, b)


@pytest.mark.slow
def test_one_weight_for_all_has_one_gradient():
    def gradient(n):
        value = lambda w: (lambda net: loss(net.shard(n) if n else net))(cuba(42, weight=w))
        return jax.grad(value)(30.0)

    assert gradient(None) != 0
    close(gradient(4), gradient(None))


@pytest.mark.slow
def test_smooth_spikes_are_sent_as_they_are():
    net = relax(cuba(42))
    alone, out = (run(x, n_steps=60) for x in (net, net.shard(4)))
    assert ((alone.ys > 0.001) & (alone.ys < 0.999)).any()
    np.testing.assert_allclose(out.ys, alone.ys, rtol=1e-9, atol=1e-15)


@pytest.mark.slow
def test_random_neurons_draw_as_on_one_device(key):
    net = cuba(43, neuron=snn.EscapeLIF())
    alone, out = (run(x, key=key, n_steps=100) for x in (net, net.shard(4)))
    assert 20 < alone.ys.sum() < 4000
    same(out.ys, alone.ys)


@pytest.mark.slow
def test_vmap_and_jit():
    net = cuba(42, delay=0.5)
    sharded = net.shard(2)
    rates = lambda net: jax.vmap(
        lambda current: run(net, current, n_steps=60, record=snn.SpikeCount()).ys
    )
    currents = jnp.array([250.0, 400.0])
    same(jax.jit(rates(sharded))(currents), rates(net)(currents))


def test_spikes_are_gathered_once_a_period():
    sharded = cuba(80, delay="each").shard(8)
    state = snn.RunState(sharded.init(dt=DT))

    def counts(state):
        return run(
            sharded, n_steps=40, state=state, record=snn.SpikeCount(), throw=False
        ).ys

    text = jax.jit(counts).lower(state).compile().as_text()
    inside = [x for x in text.splitlines() if "all-gather(" in x and "while/body" in x]
    # The words of four steps and eight devices, of which each has ten neurons; in a branch.
    assert len(inside) == 1
    assert "u32[8,4,1]" in inside[0]
    assert re.search(r"cond/branch_\d_fun", inside[0])
    assert not re.search(r"(all-reduce|all-to-all|collective-permute)\(", text)


@pytest.mark.parametrize("gradient", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_export(gradient):
    pytest.importorskip("flatbuffers")
    sharded = cuba(42, delay=0.5).shard(4)
    leaves, tree = jax.tree.flatten(sharded.init(dt=DT))

    def value(weight, leaves):
        state = jax.tree.unflatten(tree, leaves)
        own = eqx.tree_at(lambda s: at(s.network), sharded, weight)
        sol = run(own, n_steps=20, state=snn.RunState(state), throw=False)
        return (sol.ys * jnp.arange(42)).sum()

    args = at(sharded.network), leaves
    f = jax.jit(jax.grad(value) if gradient else value)
    exported = jax.export.export(f, platforms=("cpu", "cuda", "tpu"))(*args)
    assert exported.nr_devices == 4
    same(jax.export.deserialize(exported.serialize()).call(*args), f(*args))


def test_unshard():
    for net in (cuba(43, delay="each"), cuba(43, operator="counts", weight=2.0)):
        back = net.shard(4).unshard()
        assert list(back.synapses) == list(net.synapses)
        for name, s in net.synapses.items():
            same(back.synapses[name].matrix(), s.matrix())
            assert back.synapses[name].n_synapses == s.n_synapses
            if s.post is not None:
                same(back.synapses[name].post, s.post)
                same(back.synapses[name].indptr, s.indptr)


@pytest.mark.slow
def test_statistics_with_weights_that_round():
    """The same within rounding at first; later each neuron's count, to four standard errors."""
    with jax.enable_x64(False):
        weight = lambda edges: np.random.default_rng(7).gamma(2.0, 15.0, len(edges))
        net = cuba(400, weight=weight)
        alone, out = (run(x, n_steps=1600) for x in (net, net.shard(4)))
    assert alone.ys.dtype == jnp.float32
    same(out.ys[:40], alone.ys[:40])
    a, b = (np.asarray(x.ys[400:]).sum(0) for x in (alone, out))
    assert a.mean() > 1
    assert abs(a.mean() - b.mean()) < 4 * np.sqrt((a.var() + b.var()) / len(a))
    assert abs(a.std() - b.std()) < 0.25 * a.std()


def test_errors():
    net = cuba(10)
    with pytest.raises(
        ValueError, match=r"shard\.devices=9, but jax sees 8.*use_cores\(9\)"
    ):
        net.shard(9)
    for wrong in (0, 1.5, "x"):
        with pytest.raises(ValueError, match=r"Network\.shard\.devices"):
            net.shard(wrong)
    with pytest.raises(ValueError, match="at least one device"):
        net.shard([])
    mesh = jax.make_mesh((2, 4), ("batch", "cells"))
    with pytest.raises(ValueError, match=r"axis must be one of the mesh's"):
        net.shard(mesh)
    with pytest.raises(ValueError, match=r"Did you mean 'cells'"):
        net.shard(mesh, "cell")
    assert net.shard(mesh, "cells").n_devices == 4
    with pytest.raises(ValueError, match="outside of jit"):
        eqx.filter_jit(lambda net: net.shard(2).n_devices)(net)


@pytest.mark.parametrize(
    ("wiring", "delay", "shape", "n"),
    [
        ("all", None, (3,), 2),
        ("sparse", "one", (), 8),
        ("sparse", "each", (), 2),
        pytest.param("all", None, (3,), 8, marks=pytest.mark.slow),
        pytest.param("sparse", "one", (), 2, marks=pytest.mark.slow),
        pytest.param("sparse", "each", (), 8, marks=pytest.mark.slow),
    ],
)
def test_plastic_projections_learn_the_same(wiring, delay, shape, n):
    pairing = "all" if delay == "each" else "pre_centred"  # which keeps something a synapse
    bounds = snn.plasticity.HardBounds(0.0, 12.0)
    rule = snn.plasticity.STDP(0.4, 0.5, bounds=bounds, pairing=pairing)
    delays = {
        None: {},
        "one": dict(delay=3.0, dendritic_delay=1.5),
        "each": dict(delay=snn.connect.Uniform(1.0, 4.0)),
    }[delay]
    rules = dict(all=snn.connect.AllToAll(), sparse=snn.connect.FixedInDegree(3))
    train = snn.inputs.poisson(60.0, shape=(7,), key=jax.random.key(1))
    cell = snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0)
    cells = snn.Population(cell, 5, snn.Exponential(5.0))
    net = snn.Network(
        dict(inputs=snn.Population(train, 7), cells=cells),
        [
            snn.Projection("inputs", "cells", rules[wiring], 9.0, learning=rule, **delays),
            snn.Projection("cells", "cells", rules["all"], -1.0),
        ],
        key=jax.random.key(0),
    )
    drive = {"cells": snn.inputs.constant(np.linspace(6.0, 9.0, 5))}
    run = lambda net, **kwargs: snn.simulate(
        net, drive, 0.5, record=snn.Trace("inputs->cells.weight", every=100), **kwargs
    )
    alone = run(net, n_steps=400, shape=shape)
    assert np.abs(np.asarray(alone.final.learned["inputs->cells"].weight) - 9).max() > 1
    sharded = net.shard(n)
    half = run(sharded, n_steps=200, shape=shape)
    rest = run(sharded, n_steps=200, state=half.state)
    same(gather(rest.final.learned), alone.final.learned, 1e-12)
    same(gather(rest.final.populations), alone.final.populations, 1e-12)
    start = sharded.unshard().synapses["inputs->cells"]
    same(start.weight, net.synapses["inputs->cells"].weight)
    if not shape:
        after = sharded.absorb(gather(rest.final)).unshard().synapses["inputs->cells"]
        same(after.weight, np.ravel(alone.final.learned["inputs->cells"].weight), 1e-12)
