"""Every exported learning rule: jit, vmap, gradients, both float types, chunks, export."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax import plasticity
from snnjax.plasticity import STDP, AbstractRule, NoBounds, WindowSTDP, replay
from tests.test_export import exports

PARTS = {
    "ChronotronE": lambda: plasticity.ChronotronE(max_spikes=4),  # it compiles faster
    "WindowSTDP": lambda: WindowSTDP(plasticity.TriphasicWindow(), reach=20.0),
    "TeacherForced": lambda: plasticity.TeacherForced(STDP()),
    "RewardModulated": lambda: plasticity.RewardModulated(STDP()),
    "SynapticScaling": lambda: plasticity.SynapticScaling(STDP(), every=5.0),
    "Normalised": lambda: plasticity.Normalised(STDP(), 1.5),
    "StructuralPlasticity": lambda: plasticity.StructuralPlasticity(
        STDP(), every=5.0, key=jax.random.key(0)
    ),
}
RULES = {
    name: PARTS.get(name, rule)
    for name in plasticity.__all__
    if inspect.isclass(rule := getattr(plasticity, name))
    and issubclass(rule, AbstractRule)
    and not inspect.isabstract(rule)
    and not name.startswith("Abstract")
}
N_PRE, N_POST, STEPS, DT = 5, 3, 60, 0.5


def given(rule, dtype=float, seed=0):
    """(pre, post, what else the rule takes), spikes in a tenth of the steps."""
    rng = np.random.default_rng(seed)
    train = lambda n: jnp.asarray(rng.random((STEPS, n)) < 0.1, dtype)
    needs = {name: train(N_POST) for name in rule.needs}
    if "end" in needs:
        needs["end"] = jnp.zeros((STEPS, N_POST), dtype).at[-1].set(1)
    if rule.needs_v:
        needs["v"] = jnp.asarray(rng.normal(-60, 15, (STEPS, N_POST)), dtype)
    return train(N_PRE), train(N_POST), needs


def cast(rule, dtype):
    floats = lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x
    return jax.tree.map(floats, rule)


def learn(rule, pre, post, needs, w=0.5, **kwargs):
    return replay(rule, pre, post, DT, weights=w, **needs, **kwargs).weights


@pytest.fixture(params=RULES)
def rule(request):
    return RULES[request.param]()


def test_there_are_rules():
    assert len(RULES) > 20


def test_it_learns_the_same_eagerly_jitted_and_built_inside(rule):
    pre, post, needs = given(rule)
    w = learn(rule, pre, post, needs)
    assert w.shape == (N_PRE, N_POST) and np.isfinite(w).all()
    assert not np.allclose(w, 0.5, atol=1e-12)
    np.testing.assert_allclose(eqx.filter_jit(learn)(rule, pre, post, needs), w, rtol=1e-10)
    leaves, tree = jax.tree.flatten(eqx.filter(rule, eqx.is_inexact_array))
    rest = eqx.filter(rule, eqx.is_inexact_array, inverse=True)

    def inside(leaves):
        return learn(eqx.combine(jax.tree.unflatten(tree, leaves), rest), pre, post, needs)

    np.testing.assert_allclose(jax.jit(inside)(leaves), w, rtol=1e-10)


def test_a_batch_is_each_item(rule):
    items = [given(rule, seed=k) for k in range(2)]
    together = jax.tree.map(lambda *x: jnp.stack(x), *items)
    w = jax.vmap(lambda item: learn(rule, *item))(together)
    for k, item in enumerate(items):
        np.testing.assert_allclose(w[k], learn(rule, *item), rtol=1e-9)


def test_float32_stays(rule):
    small = cast(rule, np.float32)
    pre, post, needs = given(small, np.float32)
    w = learn(small, pre, post, needs, w=jnp.float32(0.5))
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, learn(rule, *given(rule)), rtol=2e-3, atol=1e-4)


def test_gradients_are_finite(rule):
    pre, post, needs = given(rule)
    mean = lambda rule, w: learn(rule, pre, post, needs, w).mean()
    start = jnp.full((N_PRE, N_POST), 0.5)
    grad = eqx.filter_grad(lambda both: mean(*both))((rule, start))
    assert all(
        np.isfinite(x).all() for x in jax.tree.leaves(grad) if eqx.is_inexact_array(x)
    )


def test_it_exports(rule):
    pre, post, needs = given(rule)
    exports(lambda pre, post, needs: learn(rule, pre, post, needs), pre, post, needs)


def test_a_projection_takes_it(rule):
    """What a network gives, in chunks, is what `replay` gives for its spikes."""
    train = snn.inputs.poisson(150.0, shape=(N_PRE,), key=jax.random.key(1))
    cell = snn.LIF(10.0, 1.0, -65.0, threshold=-55.0, v_reset=-65.0)
    cells = snn.Population(cell, N_POST, snn.Exponential(5.0))
    learns = snn.Projection("in", "cells", snn.connect.AllToAll(), 0.5, learning=rule)
    net = snn.Network({"in": snn.Population(train, N_PRE), "cells": cells}, [learns])
    needs = {f"in->cells.{k}": x for k, x in given(rule)[2].items() if k != "v"}
    drive = {"cells": snn.inputs.constant(np.linspace(12.0, 16.0, N_POST)), **needs}
    record = dict(w=snn.Trace("in->cells.weight"), s=snn.Trace(), v=snn.Trace("cells.v"))
    sol = snn.simulate(net, drive, DT, n_steps=STEPS, record=record, throw=False, chunk=20)
    s = jnp.asarray(sol.ys["s"])
    told = {k.split(".")[1]: x for k, x in needs.items()}
    told |= {"v": sol.ys["v"]} if rule.needs_v else {}
    expected = learn(rule, s[:, :N_PRE], s[:, N_PRE:], told)
    np.testing.assert_allclose(sol.ys["w"][-1], expected, rtol=1e-9)
    assert s[:, N_PRE:].sum() > 3


def test_gradients_of_a_plastic_network_export():
    train = snn.inputs.poisson(150.0, shape=(60,), key=jax.random.key(1))
    cell = snn.LIF(10.0, 1.0, 0.0, threshold=10.0, v_reset=0.0)
    cells = snn.Population(cell, 40, snn.Exponential(5.0))

    def rate(a_plus, weight):
        rule = STDP(a_plus, 0.01, bounds=NoBounds())
        learns = snn.Projection(
            *("in", "cells", snn.connect.AllToAll(), weight), learning=rule, delay=1.0
        )
        net = snn.Network({"in": snn.Population(train, 60), "cells": cells}, [learns])
        start = net.init(dt=DT)
        sol = snn.simulate(
            *(net, {}, DT), n_steps=40, state=snn.RunState(start), throw=False,
            record=snn.PopulationRate(of="cells"),
        )  # fmt: skip
        return sol.ys

    value, grad = jax.value_and_grad(rate, (0, 1))(0.02, jnp.full((60, 40), 0.5))
    assert float(value) > 0 and all(np.isfinite(g).all() for g in grad)
    assert float(abs(grad[0])) > 0
    exports(jax.value_and_grad(rate, (0, 1)), 0.02, jnp.full((60, 40), 0.5))
