"""Residual and Graph: equal to plain NumPy, stepped and unrolled alike; weights to start from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

DT, STEPS, BATCH = 1.0, 24, 3


@pytest.fixture(scope="module")
def inputs():
    return np.asarray(jax.random.uniform(jax.random.key(1), (STEPS, BATCH, 4)))


def linear(n_in, n_out, seed=0, gain=2.0):
    return snn.Linear(n_in, n_out, key=jax.random.key(seed), gain=gain)


def lif(decay=0.8):
    return snn.LIF.from_decay(decay)


def numpy_lif(current, decay=0.8):
    """Spikes of u = decay v + x, threshold 1, subtractive reset."""
    v, spikes = np.zeros_like(current[0]), []
    for x in current:
        u = decay * v + x
        spikes.append((u >= 1).astype(float))
        v = u - spikes[-1]
    return np.array(spikes)


def apply(layer, x):
    return x @ np.asarray(layer.weight).T + np.asarray(layer.bias)


def assert_same_stepped(net, inputs):
    """Outputs and last states of `unroll`, `unroll_all` and a loop over `step`."""
    first = jax.tree.map(
        lambda x: x.shape[1:], inputs, is_leaf=lambda x: hasattr(x, "shape")
    )
    start, dt = net.init(first, dt=DT), jnp.asarray(DT)
    end, outputs = eqx.filter_jit(lambda n, *args: n.unroll(*args))(net, start, inputs, dt)
    run = eqx.filter_jit(snn.unroll)
    _, parts, also_end = run(net, inputs, DT, state=start, layers=True)
    state, by_step, step = start, [], eqx.filter_jit(lambda n, *args: n.step(*args))
    for t in range(STEPS):
        state, y = step(net, state, jax.tree.map(lambda x: x[t], inputs), dt)  # noqa: B023
        by_step.append(y)
    by_step = jax.tree.map(lambda *ys: jnp.stack(ys), *by_step)
    last = list(parts.values())[-1]
    for a, b, c in zip(*map(jax.tree.leaves, (outputs, last, by_step)), strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(b, c, rtol=1e-11, atol=1e-13)
    for a, b, c in zip(*map(jax.tree.leaves, (end, also_end, state)), strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(b, c, rtol=1e-11, atol=1e-13)
    return outputs, parts


# Residual


def test_residual_adds_its_input(inputs):
    weights = linear(4, 4)
    net = snn.Residual(snn.Sequential(weights, lif()))
    outputs, parts = assert_same_stepped(net, inputs)
    spikes = numpy_lif(apply(weights, inputs))
    assert 0.05 < spikes.mean() < 0.95
    np.testing.assert_allclose(outputs, spikes + inputs, rtol=1e-13)
    assert list(parts) == ["inner.layers.0", "inner.layers.1", ""]
    np.testing.assert_array_equal(parts["inner.layers.1"], spikes)
    assert not net.spiking


def test_residual_shortcut_may_be_a_layer_and_nests(inputs):
    inner, around = linear(4, 5), linear(4, 5, seed=1)
    net = snn.Sequential(
        snn.Residual(snn.Sequential(inner, lif()), around), snn.Residual(lif(0.5), jnp.tanh)
    )
    outputs, parts = assert_same_stepped(net, inputs)
    first = numpy_lif(apply(inner, inputs)) + apply(around, inputs)
    np.testing.assert_allclose(parts["layers.0"], first, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        outputs, numpy_lif(first, 0.5) + np.tanh(first), rtol=1e-12, atol=1e-14
    )
    assert list(parts) == [
        "layers.0.inner.layers.0", "layers.0.inner.layers.1", "layers.0.shortcut",
        "layers.0", "layers.1.inner", "layers.1.shortcut", "layers.1",
    ]  # fmt: skip


def test_residual_refuses():
    with pytest.raises(
        ValueError, match=r"inner gives outputs of shape \(3, 5\) .* \(3, 4\)"
    ):
        snn.Residual(linear(4, 5)).init((3, 4))
    with pytest.raises(ValueError, match=r"of shape \(3, 5\) and its shortcut of \(3, 6\)"):
        snn.Residual(linear(4, 5), linear(4, 6)).init((3, 4))
    with pytest.raises(ValueError, match=r"Residual\.shortcut: Linear takes .* 5 features"):
        snn.Residual(linear(4, 4), linear(5, 4)).init((3, 4))
    with pytest.raises(
        ValueError, match=r"Residual\.inner must be a model or layer, got 3"
    ):
        snn.Residual(3)


# Graph


def test_graph_without_feedback_is_numpy_in_any_order_of_nodes(inputs):
    a, b, c = linear(4, 5), linear(9, 6, seed=1), linear(4, 6, seed=2)
    net = snn.Graph(
        {
            "sum": (None, ["joined", "skip"]),
            "skip": (c, "input"),
            "joined": (b, snn.Concatenate("input", "spikes")),
            "spikes": (lif(), "current"),
            "current": (a, "input"),
            "out": (lif(0.5), "sum"),
        }
    )
    outputs, parts = assert_same_stepped(net, inputs)
    spikes = numpy_lif(apply(a, inputs))
    total = apply(b, np.concatenate([inputs, spikes], -1)) + apply(c, inputs)
    np.testing.assert_allclose(parts["nodes.sum"], total, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(outputs, numpy_lif(total, 0.5))
    assert list(parts) == [
        f"nodes.{n}" for n in ("current", "spikes", "joined", "skip", "sum", "out")
    ]
    assert net.spiking and all(len(group) == 1 for group in net.groups)


def feedback_graph():
    return snn.Graph(
        {
            "readout": (snn.LeakyIntegrator(5.0), "out"),
            "current": (linear(4, 5), "input"),
            "hidden": (lif(), ["current", snn.Previous("back"), snn.Previous("readout")]),
            "back": (snn.Sequential(linear(5, 5, 1), jnp.tanh), "hidden"),
            "late": (linear(5, 5, 3), snn.Previous("hidden")),
            "out": (linear(5, 5, 2), ["hidden", "late"]),
            "score": (linear(9, 2, 4), snn.Concatenate(snn.Previous("input"), "readout")),
        },
        output="score",
    )


def test_graph_with_feedback_is_a_loop_in_numpy(inputs):
    net = feedback_graph()
    outputs, parts = assert_same_stepped(net, inputs)
    layers = net.nodes
    v, r = np.zeros((BATCH, 5)), np.zeros((BATCH, 5))
    back, spikes, before = np.zeros((BATCH, 5)), np.zeros((BATCH, 5)), np.zeros((BATCH, 4))
    fired = 0
    for t, x in enumerate(inputs):
        late = apply(layers["late"], spikes)
        u = 0.8 * v + apply(layers["current"], x) + back + r
        spikes = (u >= 1).astype(float)
        v = u - spikes
        fired += spikes.sum()
        back = np.tanh(apply(layers["back"].layers[0], spikes))
        out = apply(layers["out"], spikes + late)
        r = out + (r - out) * np.exp(-DT / 5)
        score = apply(layers["score"], np.concatenate([before, r], -1))
        before = x
        np.testing.assert_array_equal(parts["nodes.hidden"][t], spikes)
        np.testing.assert_allclose(outputs[t], score, rtol=1e-10, atol=1e-12)
    assert 20 < fired < 0.9 * STEPS * BATCH * 5
    assert list(parts)[-1] == "nodes.score" and "nodes.back.layers.0" in parts
    together = [set(g) for g in net.groups if len(g) > 1]
    assert together == [{"hidden", "back", "late", "out", "readout"}]


def test_only_what_feeds_back_is_scanned(inputs):
    """The products of the feed-forward parts are over the whole sequence."""
    net = feedback_graph()
    start = net.init((BATCH, 4))
    jaxpr = jax.make_jaxpr(lambda x: net.unroll(start, x, jnp.asarray(DT)))(inputs)
    products = [e for e in jaxpr.eqns if e.primitive.name == "dot_general"]
    sizes = sorted(e.outvars[0].aval.size for e in products)
    assert sizes == [STEPS * BATCH * 2, STEPS * BATCH * 5]


def test_graph_with_a_loop_of_one_node_and_named_inputs_and_outputs(inputs):
    net = snn.Graph(
        {
            "hidden": (lif(), ["a", snn.Previous("hidden")]),
            "both": (linear(7, 2), snn.Concatenate("b", snn.Previous("echo", features=4))),
            "echo": (None, ["hidden"]),
        },
        output=["hidden", "both"],
        inputs=["a", "b"],
    )
    drive = {"a": inputs, "b": inputs[..., :3]}
    start, dt = net.init({n: x.shape[1:] for n, x in drive.items()}), jnp.asarray(DT)
    end, outputs = net.unroll(start, drive, dt)
    state = start
    for t in range(STEPS):
        state, y = net.step(state, {n: x[t] for n, x in drive.items()}, dt)
        for name in ("hidden", "both"):
            np.testing.assert_allclose(outputs[name][t], y[name], rtol=1e-12, atol=1e-14)
    v, s, n = np.zeros((BATCH, 4)), np.zeros((BATCH, 4)), 0
    for t, x in enumerate(inputs):
        u = 0.8 * v + x + s
        both = apply(net.nodes["both"], np.concatenate([x[:, :3], s], -1))
        np.testing.assert_allclose(outputs["both"][t], both, rtol=1e-12, atol=1e-14)
        s = (u >= 1).astype(float)
        v, n = u - s, n + s.sum()
        np.testing.assert_array_equal(outputs["hidden"][t], s)
    assert 10 < n < STEPS * BATCH * 4
    for a, b in zip(*map(jax.tree.leaves, (end, state)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    rollout = snn.unroll(net, drive, DT, layers=True)
    np.testing.assert_allclose(rollout.outputs["both"], outputs["both"], rtol=1e-12)
    with pytest.raises(ValueError, match=r"a dictionary with a, b, got \['a'\]"):
        net.step(start, {"a": inputs[0]}, dt)


def test_graph_gradients_are_those_of_steps_and_finite(inputs):
    net = feedback_graph()
    start, dt = net.init((BATCH, 4)), jnp.asarray(DT)

    def by_step(net):
        step = lambda s, x: net.step(s, x, dt)
        return jnp.sum(jax.lax.scan(step, start, jnp.asarray(inputs))[1] ** 2)

    at_once = lambda net: jnp.sum(net.unroll(start, jnp.asarray(inputs), dt)[1] ** 2)
    a, b = (eqx.filter_jit(eqx.filter_grad(f))(net) for f in (by_step, at_once))
    for name, x in snn.named_leaves(a).items():
        assert np.all(np.isfinite(x))
        np.testing.assert_allclose(snn.named_leaves(b)[name], x, rtol=1e-8, atol=1e-10)
    assert np.any(a.nodes["back"].layers[0].weight)


def test_graph_finds_the_nodes_outputs_can_do_without():
    one = {"a": (linear(4, 5), "input"), "b": (lif(), "a")}
    build = lambda changes=None, **kw: snn.Graph({**one, **(changes or {})}, **kw)
    assert build().outputs == "b"
    with pytest.raises(ValueError, match=r"nodes\.c reads 'bb'.* Did you mean 'b'\?"):
        build({"c": (lif(), "bb")})
    with pytest.raises(ValueError, match=r"Graph\.output must be one of .* mean 'b'\?"):
        build(output="bs")
    with pytest.raises(ValueError, match=r"given: \['b', 'c'\] are read by no other"):
        build({"c": (lif(), "a")})
    with pytest.raises(ValueError, match=r"Graph has c, on which no output depends"):
        build({"c": (lif(), "a")}, output="b")
    with pytest.raises(ValueError, match=r"Graph has y, on which no output depends"):
        build({"a": (linear(4, 5), "x")}, inputs=["x", "y"])
    with pytest.raises(ValueError, match=r"output must name at least one node"):
        build(output=[])
    with pytest.raises(ValueError, match=r"must be given: every node is read by another"):
        build({"a": (linear(5, 5), ["input", snn.Previous("b")])})
    with pytest.raises(
        ValueError, match=r"within one step: (a -> b -> a|b -> a -> b)\. Let"
    ):
        build({"a": (linear(5, 5), ["input", "b"])}, output="b")
    with pytest.raises(ValueError, match=r"names without a dot, got 'a\.b'"):
        build({"a.b": (lif(), "a")})
    with pytest.raises(ValueError, match=r"Graph\.nodes\.input has the name of an input"):
        build({"input": (lif(), "a")})
    with pytest.raises(ValueError, match=r"nodes\.c must be \(layer, what it reads\)"):
        build({"c": lif()})
    with pytest.raises(ValueError, match=r"nodes\.c must be a model or layer, got 3"):
        build({"c": (3, "a")})
    with pytest.raises(ValueError, match=r"nodes\.c reads nothing"):
        build({"c": (lif(), [])})


def test_graph_refuses_shapes_that_differ():
    nodes = {"a": (linear(4, 5), "input"), "b": (linear(4, 6), "input")}
    with pytest.raises(
        ValueError, match=r"c reads a, b of shapes .*: they must agree in shape"
    ):
        snn.Graph({**nodes, "c": (lif(), ["a", "b"])}).init((3, 4))
    snn.Graph({**nodes, "c": (lif(), snn.Concatenate("a", "b"))}).init((3, 4))
    with pytest.raises(ValueError, match=r"Graph\.nodes\.c: Linear takes .* 7 features"):
        snn.Graph({**nodes, "c": (linear(7, 1), snn.Concatenate("a", "b"))}).init((3, 4))
    loop = lambda back: snn.Graph(
        {"a": (linear(4, 5), back), "b": (linear(5, 4), ["a"])}, output="b"
    )
    with pytest.raises(ValueError, match=r"inputs.*|Graph has input"):
        loop(snn.Previous("b"))
    joined = lambda b, n: snn.Graph(
        {"a": (linear(8, 5), snn.Concatenate("input", b)), "b": (linear(5, n), "a")}, "b"
    )
    with pytest.raises(ValueError, match=r"give Previous\('b', features=\.\.\.\)"):
        joined(snn.Previous("b"), 4).init((3, 4))
    assert joined(snn.Previous("b", 4), 4).init((3, 4)).previous["b"].shape == (3, 4)
    with pytest.raises(ValueError, match=r"to read shape \(3, 8\), but .* \(3, 7\)"):
        joined(snn.Previous("b", 4), 3).init((3, 4))


def test_containers_absorb_what_their_parts_learned(inputs):
    """A batch normalisation inside: its running mean comes out of the run."""
    norm = snn.BatchNorm(4, momentum=0.5)
    graph = snn.Graph({"a": (norm, "input"), "b": (snn.Residual(norm), ["a"])})
    _, _, state = snn.unroll(graph, inputs, DT)
    taught = graph.absorb(state)
    mean = 0.5 * inputs.mean((0, 1))
    np.testing.assert_allclose(taught.nodes["a"].running_mean, mean, rtol=1e-12)
    variance = 0.5 + 0.5 * 1 / (1 + 1e-5 / inputs.var((0, 1)))
    inner = taught.nodes["b"].inner
    np.testing.assert_allclose(inner.running_variance, variance, rtol=1e-10)
    assert not np.any(graph.nodes["a"].running_mean)
    residual = snn.Residual(norm, norm)
    _, _, state = snn.unroll(residual, inputs, DT)
    np.testing.assert_allclose(residual.absorb(state).shortcut.running_mean, mean)


def test_parts_stay_in_order_when_memory_is_saved(inputs):
    net = snn.Sequential(*[linear(4, 4, seed) for seed in range(12)])
    run = eqx.filter_jit(snn.unroll)
    whole, pieces = run(net, inputs, layers=True), run(net, inputs, layers=True, remat=5)
    assert list(pieces.layers) == list(whole.layers) == [f"layers.{i}" for i in range(12)]
    np.testing.assert_allclose(pieces.outputs, whole.outputs, rtol=1e-12)
    graph = feedback_graph()
    pieces = run(graph, inputs, layers=True, remat="sqrt").outputs
    np.testing.assert_allclose(pieces, run(graph, inputs).outputs, rtol=1e-11, atol=1e-13)


def test_structures_stay_float32(inputs):
    with jax.enable_x64(False):
        x = jnp.asarray(inputs, jnp.float32)
        for net in (feedback_graph(), snn.Residual(lif())):
            out = eqx.filter_jit(snn.unroll)(net, x, layers=True)
            leaves = [
                y for y in jax.tree.leaves(out) if jnp.issubdtype(y.dtype, jnp.floating)
            ]
            assert {y.dtype for y in leaves} == {jnp.float32.dtype}


# Weights to start from


def deep(gain=1.0, depth=10, n=32, decay=0.8):
    keys = jax.random.split(jax.random.key(3), depth)
    layers = [
        layer
        for key in keys
        for layer in (snn.Linear(n, n, key=key, gain=gain), snn.LIF.from_decay(decay))
    ]
    return snn.Sequential(*layers)


@pytest.fixture(scope="module")
def spikes():
    x = jax.random.bernoulli(jax.random.key(5), 0.1, (30, 16, 32))
    return x.astype(float)


def rates(net, x, dt=1.0):
    return np.array([row.rate for row in snn.activity_report(net, x, dt)])


def test_initialise_keeps_ten_layers_firing(spikes):
    net = deep()
    assert rates(net, spikes)[-1] == 0  # by default the depths are silent
    new = snn.initialise(net, spikes, rate=0.1)
    np.testing.assert_allclose(rates(new, spikes), 0.1, rtol=0.05)
    for i in range(0, 20, 2):  # one factor a layer
        factor = np.asarray(new.layers[i].weight / net.layers[i].weight)
        np.testing.assert_allclose(factor, factor[0, 0], rtol=1e-12)
    fresh = jax.random.bernoulli(jax.random.key(6), 0.1, spikes.shape).astype(float)
    assert np.all(np.abs(np.log(rates(new, fresh) / 0.1)) < np.log(2))


def test_initialise_tames_layers_that_saturate(spikes):
    net = deep(depth=2)
    loud = eqx.tree_at(lambda n: n.layers[0].bias, net, jnp.full(32, 0.05))
    loud = jax.tree.map(lambda x: 30 * x if x.ndim == 2 else x, loud)
    loud = snn.Sequential(*loud.layers[:2], snn.Residual(snn.Sequential(*loud.layers[2:])))
    assert rates(loud, spikes).min() > 0.3
    new = snn.initialise(loud, spikes, 0.5, rate_hz=100.0)
    report = snn.activity_report(new, spikes, 0.5)
    np.testing.assert_allclose([r.rate_hz for r in report], 100.0, rtol=0.05)
    assert [r.name for r in report] == ["layers.1", "layers.2.inner.layers.1"]
    np.testing.assert_array_equal(new.layers[0].bias, 0.05)


def test_initialise_finds_the_weights_of_each_branch(spikes):
    nodes = {
        "a": (linear(32, 20, 1, 0.1), "input"),
        "b": (linear(32, 20, 2, 9.0), "input"),
        "left": (lif(), "a"),
        "right": (lif(), "b"),
        "out": (linear(40, 2, 3), snn.Concatenate("left", "right")),
    }
    net = snn.Graph(nodes)
    new = snn.initialise(net, spikes, rate=0.15)
    np.testing.assert_allclose(rates(new, spikes), 0.15, rtol=0.05)
    np.testing.assert_array_equal(new.nodes["out"].weight, net.nodes["out"].weight)


def test_initialise_refuses(spikes):
    net = deep(depth=1)
    with pytest.raises(
        ValueError, match=r"cannot bring layers\.1 to 0\.9 .*layers\.0\.weight"
    ):
        snn.initialise(net, spikes, rate=0.9)
    with pytest.raises(ValueError, match=r"fires 0 to 0 per step"):
        snn.initialise(net, 0 * spikes)
    with pytest.raises(ValueError, match="takes rate or rate_hz, not both"):
        snn.initialise(net, spikes, rate=0.1, rate_hz=10.0)
    with pytest.raises(ValueError, match=r"initialise\.rate must be above 0"):
        snn.initialise(net, spikes, rate=0.0)
    for model in (snn.Sequential(linear(32, 2)), snn.Sequential(lif())):
        with pytest.raises(ValueError, match=r"no spiking layer with weights before it"):
            snn.initialise(model, spikes)


@pytest.mark.parametrize("xi", [1.0, 2.5])
@pytest.mark.parametrize("kind", ["unit", "biophysical"])
def test_fluctuation_gain_sets_the_spread_of_the_membrane(kind, xi):
    n, p, dt = 400, 0.1, 0.5
    neuron = lif(0.9) if kind == "unit" else snn.CubaLIF(tau_m=8.0, tau_syn=4.0)
    gain = snn.fluctuation_gain(neuron, p, dt, xi=xi)
    free = eqx.tree_at(lambda c: c.threshold.level, neuron, jnp.asarray(1e9))
    weights = snn.Linear(n, 2000, key=jax.random.key(1), gain=gain, bias=False)
    x = jax.random.bernoulli(jax.random.key(2), p, (400, n)).astype(float)
    sol = snn.simulate(
        snn.Sequential(weights, free), x, dt, record=snn.Trace(lambda state, _: state[1].v)
    )
    rest = float(neuron.rest().v)
    v = np.asarray(sol.ys)[150:] - rest
    way = float(neuron.threshold.level) - rest
    # Neurons differ by their weights: 99.99 % of a standard deviation over 2000 of them is
    # 6 %, and 400 inputs of 125 ms add as much.
    assert np.std(v) == pytest.approx(way / xi, rel=0.1)


def test_fluctuation_gain_of_the_unit_has_its_closed_form():
    p, decay = 0.03, 0.85
    variance = p * (1 - p) / (1 - decay**2) + (p / (1 - decay)) ** 2
    gain = snn.fluctuation_gain(lif(decay), p, xi=2.0)
    assert float(gain) == pytest.approx(0.5 / np.sqrt(variance), rel=1e-12)
    for bad in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"fluctuation_gain\.rate must be"):
            snn.fluctuation_gain(lif(), bad)
    with pytest.raises(ValueError, match="must fire at a threshold"):
        snn.fluctuation_gain(snn.LeakyIntegrator(), 0.1)
