"""Networks keep the contract of all models: jit, vmap, batches, files, layers, recorders."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn
from snnjax.connect import FixedInDegree, FromArrays, PairwiseBernoulli, Uniform
from snnjax.networks import Network, Population, Projection
from snnjax.synapses import Delta, Exponential, TsodyksMarkram

DT, N, STEPS = 0.25, 20, 80


def build(key, *, weight=32.0, tau_m=10.0, delay=1.0, source=False, **options):
    neuron = snn.LIF(tau_m=tau_m)
    cells = Population(
        neuron, N, dict(ampa=Exponential(4.0), jump=Delta()), dict(e=15, i=5)
    )
    wiring = FixedInDegree(4)
    projections = [
        Projection("e", "cells", wiring, weight, delay, receptor="ampa", **options),
        Projection("i", "cells", PairwiseBernoulli(0.5), -0.5, receptor="jump"),
        Projection("i", "e", wiring, 16.0, receptor="ampa", release=TsodyksMarkram()),
    ]
    populations = dict(cells=cells)
    if source:
        train = snn.inputs.poisson(100.0, shape=(3,), key=jax.random.key(4))
        populations["a"] = Population(train, 3)
        projections.append(Projection("a", "e", wiring, 64.0, receptor="ampa"))
    return Network(populations, projections, key=key)


DRIVE = 230.0 + 4 * np.arange(N)


def spikes_of(network, drive=None, n_steps=STEPS, **options):
    inputs = {"cells": snn.inputs.constant(DRIVE if drive is None else drive)}
    return snn.simulate(network, inputs, DT, n_steps=n_steps, **options)


def test_built_inside_jit_it_is_the_same(key):
    delay = dict(delay=Uniform(0.25, 2.0), max_delay=2.0)
    run = lambda key: spikes_of(build(key, source=True, **delay), throw=False).ys
    eager = run(key)
    np.testing.assert_array_equal(jax.jit(run)(key), eager)
    np.testing.assert_array_equal(eqx.filter_jit(lambda: run(key))(), eager)
    assert eager[:, :N].sum() > N and eager[:, N:].sum() > 0
    other = run(jax.random.key(1))
    assert np.any(other != eager)
    both = jax.jit(jax.vmap(run))(
        jax.random.wrap_key_data(
            jnp.stack(list(map(jax.random.key_data, (key, jax.random.key(1)))))
        )
    )
    np.testing.assert_array_equal(both, [eager, other])


def test_stepping_eagerly_is_the_same(key):
    network = build(key)
    state, inputs = network.init(dt=DT), {"cells": jnp.asarray(DRIVE) * 4}
    compiled = jax.jit(lambda state: network.step(state, inputs, DT))
    other = state
    for _ in range(5):
        state, spikes = network.step(state, inputs, DT)
        other, same = compiled(other)
        np.testing.assert_array_equal(spikes, same)
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        jax.tree.map(close, state, other)
    assert state.overflowed == 0 and state.opened is None


def test_a_sweep_is_a_loop_over_its_values(key):
    network = build(key)
    where = lambda net: net.populations["cells"].neuron.tau_m

    def count(tau_m, weight):
        net = eqx.tree_at(where, network, tau_m)
        net = eqx.tree_at(lambda n: n.synapses["e->cells"].weight, net, weight)
        return spikes_of(net, record=snn.SpikeCount(), throw=False).ys

    taus, weights = jnp.array([7.0, 10.0, 10.0]), jnp.array([0.0, 0.0, 512.0])
    together = jax.jit(jax.vmap(count))(taus, weights)
    alone = [jax.jit(count)(t, w) for t, w in zip(taus, weights, strict=True)]
    np.testing.assert_array_equal(together, alone)
    assert len({n.sum().item() for n in together}) == 3


def test_a_batch_is_its_networks(key):
    network = build(key, source=True)
    drives = DRIVE + 10.0 * np.arange(6).reshape(2, 3, 1)
    state = network.init((2, 3), dt=DT)
    batch = spikes_of(network, drives, state=snn.RunState(state)).ys
    assert batch.shape == (STEPS, 2, 3, N + 3)
    for i in np.ndindex(2, 3):
        np.testing.assert_array_equal(batch[:, *i], spikes_of(network, drives[i]).ys)


def test_forms_of_input(key):
    network = Network(
        dict(cells=Population(snn.LIF(), 6, Exponential(4.0), dict(e=4, i=2)))
    )
    run = lambda inputs: (
        snn.simulate(network, inputs, DT, n_steps=40, record=snn.Trace("cells.v")).ys
    )
    rest = np.full((40, 6), -75.0)
    for none in (None, {}, 0.0, dict(cells=0.0), dict(e=0.0)):
        np.testing.assert_array_equal(run(none), rest)
    whole = run(150.0)
    for same in (
        dict(cells=150.0),
        dict(e=150.0, i=150.0),
        dict(cells=100.0, e=50.0, i=50.0),
    ):
        np.testing.assert_array_equal(run(same), whole)
    np.testing.assert_array_equal(run(jnp.full((40, 6), 150.0)), whole)
    np.testing.assert_array_equal(run(dict(cells=jnp.full((40, 1), 150.0))), whole)
    np.testing.assert_array_equal(run(dict(e=150.0))[:, :4], whole[:, :4])
    np.testing.assert_array_equal(run(dict(e=150.0))[:, 4:], rest[:, 4:])
    arrived = run({"cells.synapse": jnp.zeros((40, 1)).at[3].set(80.0)})
    by_part = run({"e.synapse": jnp.zeros((40, 1)).at[3].set(80.0)})
    assert np.all(arrived[:3] == -75.0) and np.all(arrived[3] > -75.0)
    np.testing.assert_array_equal(by_part[:, :4], arrived[:, :4])
    np.testing.assert_array_equal(by_part[:, 4:], rest[:, 4:])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_both_float_types(key, dtype):
    cast = lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x
    network = jax.tree.map(cast, build(key, source=True))
    record = dict(s=snn.Trace("output"), v=snn.Trace("e.v"), a=snn.Trace("cells.ampa.s"))
    sol = spikes_of(network, record=record)
    assert sol.ys["s"].dtype == sol.ys["v"].dtype == sol.ys["a"].dtype == dtype
    assert sol.ys["s"].sum() > N and sol.ys["v"].shape == (STEPS, 15)
    np.testing.assert_array_equal(sol.ys["s"], spikes_of(build(key, source=True)).ys)


def test_files_and_leaves(key, tmp_path):
    network = build(key, source=True)
    leaves, tree = jax.tree.flatten(network)
    again = jax.tree.unflatten(tree, leaves)
    assert list(again.populations) == list(network.populations)
    snn.save(tmp_path / "network", network)
    other = build(jax.random.key(3), source=True)
    loaded = snn.load(tmp_path / "network", other)
    expected = spikes_of(network).ys
    np.testing.assert_array_equal(spikes_of(loaded).ys, expected)
    assert np.any(spikes_of(other).ys != expected)
    half = spikes_of(network, n_steps=STEPS // 2)
    snn.save(tmp_path / "state", half.state)
    state = snn.load(tmp_path / "state", half.state)
    rest = spikes_of(network, n_steps=STEPS // 2, state=state).ys
    np.testing.assert_array_equal(jnp.concatenate([half.ys, rest]), expected)


def test_recorders_of_parts(key):
    network = build(key, source=True)
    record = dict(
        all=snn.Trace("output"),
        parts=snn.Trace("e.spikes", "i.v", "cells.ampa.s", "i.ampa.s", "a.spikes"),
        rate=snn.PopulationRate(of="e"),
        raster=snn.SpikeRaster(2000, of="i"),
        some=snn.Trace("e.v", index=[2, 5]),
        mean=snn.Mean("cells.v"),
    )
    ys = spikes_of(network, record=record).ys
    spikes, parts = ys["all"], ys["parts"]
    np.testing.assert_array_equal(parts["e.spikes"], spikes[:, :15])
    np.testing.assert_array_equal(parts["a.spikes"], spikes[:, N:])
    np.testing.assert_array_equal(parts["i.ampa.s"], parts["cells.ampa.s"][:, 15:])
    assert ys["rate"] == pytest.approx(spikes[:, :15].mean() / DT * 1e3)
    times, indices = ys["raster"].trimmed()
    step, neuron = np.nonzero(spikes[:, 15:N])
    np.testing.assert_allclose(times, (step + 1) * DT)
    np.testing.assert_array_equal(indices, neuron)
    assert ys["some"].shape == (STEPS, 2) and ys["mean"].shape == (N,)
    split = network.split(spikes)
    assert {name: x.shape[1] for name, x in split.items()} == dict(cells=N, e=15, i=5, a=3)
    np.testing.assert_array_equal(split["i"], spikes[:, 15:N])


def test_exports_with_gradients(key):
    network = build(key)
    where = lambda net: net.synapses["e->cells"].weight

    def rate(weight):
        net = eqx.tree_at(where, network, weight)
        return spikes_of(net, n_steps=10, throw=False).ys.mean()

    f = jax.jit(jax.value_and_grad(rate))
    exported = jax.export.export(f, platforms=("cpu", "cuda", "tpu"))(where(network))
    jax.tree.map(
        np.testing.assert_allclose, exported.call(where(network)), f(where(network))
    )


def test_a_layer_that_is_trained(key):
    """A liquid state machine: a fixed network, and a readout that learns from its spikes."""
    k1, k2, k3 = jax.random.split(key, 3)
    n = 30
    cells = Population(snn.LIF(t_ref=None), n, Exponential(5.0))
    liquid = Network(
        dict(cells=cells), [Projection("cells", "cells", FixedInDegree(3), 30.0)], key=k1
    )
    model = snn.Sequential(snn.Linear(4, n, key=k2), liquid, snn.Linear(n, 2, key=k3))
    channel = np.arange(16) % 2
    inputs = jnp.zeros((60, 16, 4)).at[:, np.arange(16), channel].set(400.0)

    def loss(model, remat=None):
        out = snn.unroll(model, inputs, DT, remat=remat).outputs.mean(0)
        return optax.softmax_cross_entropy_with_integer_labels(
            out, jnp.asarray(channel)
        ).mean()

    grad = eqx.filter_jit(eqx.filter_value_and_grad(loss))
    value, g = grad(model)
    again, same = grad(model, 10)
    assert again == pytest.approx(float(value), rel=1e-12)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15), g, same
    )
    assert np.any(np.asarray(g.layers[0].weight) != 0)
    optimiser = optax.adam(0.1)
    readout = lambda m: (m.layers[2].weight, m.layers[2].bias)
    opt = optimiser.init(readout(model))
    for _ in range(25):
        _, g = grad(model)
        updates, opt = optimiser.update(readout(g), opt)
        model = eqx.tree_at(readout, model, optax.apply_updates(readout(model), updates))
    assert grad(model)[0] < 0.8 * value


def test_unroll_takes_inputs_by_name(key):
    network = build(key)
    inputs = {"cells": jnp.broadcast_to(DRIVE, (STEPS, 2, N)), "i": jnp.zeros((STEPS, 1))}
    outputs = snn.unroll(network, inputs, DT).outputs
    assert outputs.shape == (STEPS, 2, N)
    np.testing.assert_array_equal(outputs[:, 1], spikes_of(network).ys)


def test_weights_of_a_user_stay_with_their_synapses():
    pre, post = np.array([2, 0, 1, 0]), np.array([0, 1, 0, 0])
    cells = dict(a=Population(snn.LIF(), 3), b=Population(snn.LIF(), 2, Exponential(4.0)))
    weight, delay = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 2, 3, 4]) * DT
    to = Projection("a", "b", FromArrays(pre, post), weight, delay)
    s = Network(cells, [to]).synapses["a->b"]
    found = sorted(
        zip(
            s.pre().tolist(),
            s.post.tolist(),
            s.weight.tolist(),
            s.steps(DT).tolist(),
            strict=True,
        )
    )
    assert found == sorted(zip(pre, post, weight, [1, 2, 3, 4], strict=True))
    matrix = np.zeros((3, 2))
    matrix[pre, post] = weight
    np.testing.assert_array_equal(s.matrix(), matrix)
