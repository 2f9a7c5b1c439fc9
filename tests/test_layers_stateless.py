"""Functions as layers, and what holds for every layer that has no dynamics of its own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from tests.test_export import exports

KEY = jax.random.key(0)
STEPS, BATCH = 4, 3


class Doubled(snn.AbstractStateless):
    """A user's layer: one method."""

    def __call__(self, x):
        return 2 * x


LAYERS = {
    "Linear": lambda: snn.Linear(2, 3, key=KEY),
    "Conv1d": lambda: snn.Conv1d(2, 3, 2, key=KEY, stride=2),
    "Conv2d": lambda: snn.Conv2d(2, 4, 3, key=KEY, padding="same", groups=2),
    "AveragePool1d": lambda: snn.AveragePool1d(3, 2),
    "AveragePool2d": lambda: snn.AveragePool2d(2),
    "SumPool1d": lambda: snn.SumPool1d(2),
    "SumPool2d": lambda: snn.SumPool2d(3, 1),
    "MaxPool1d": lambda: snn.MaxPool1d(2),
    "MaxPool2d": lambda: snn.MaxPool2d(3, 2),
    "Flatten": lambda: snn.Flatten(),
    "LayerNorm": lambda: snn.LayerNorm(2),
    "BatchNorm": lambda: eqx.nn.inference_mode(snn.BatchNorm(2)),
    "BatchNorm, trained": lambda: snn.BatchNorm(2),
    "Dropout": lambda: snn.Dropout(0.4),
    "Stateless": lambda: snn.Stateless(eqx.nn.Linear(2, 3, key=KEY)),
    "Stateless, function": lambda: snn.Stateless(jnp.sin),
    "Doubled": Doubled,
}


CLOSE = dict(rtol=1e-11, atol=1e-13)
# What a sample gets depends on the batch it is in:
TOGETHER = ("Dropout", "BatchNorm, trained")


def run(layer, x, seed=0):
    return snn.unroll(layer, x, key=jax.random.key(seed)).outputs


def run_all(layers, x, seed=0):
    return {name: run(layer, x, seed) for name, layer in layers.items()}


def make_all():
    return {name: make() for name, make in LAYERS.items()}


def inputs():
    return jax.random.normal(jax.random.key(1), (STEPS, BATCH, 6, 5, 2))


@pytest.fixture(scope="module")
def expected():
    """What each layer, built outside, makes of the inputs; compiled at once to save time."""
    layers = make_all()
    return jax.jit(lambda x: run_all(layers, x))(inputs())


def assert_close(got, expected, take=lambda y: y, but=()):
    assert got.keys() == expected.keys()
    for name in got.keys() - set(but):
        np.testing.assert_allclose(got[name], take(expected[name]), err_msg=name, **CLOSE)


def test_every_layer_is_here():
    made = {type(layer) for layer in make_all().values()}
    known = {x for x in vars(snn).values() if isinstance(x, type)}
    own = {x for x in known if issubclass(x, snn.AbstractStateless)}
    assert own - {snn.AbstractStateless} <= made


def test_eager_and_built_inside_jit(expected):
    assert_close(run_all(make_all(), inputs()), expected)
    assert_close(jax.jit(lambda x: run_all(make_all(), x))(inputs()), expected)
    assert all(y.shape[:2] == (STEPS, BATCH) for y in expected.values())


def test_step_by_step(expected):
    layers = {name: x for name, x in make_all().items() if name != "BatchNorm, trained"}
    start = {
        name: layer.init(inputs().shape[1:], key=jax.random.key(0))
        for name, layer in layers.items()
    }
    step = jax.jit(
        lambda states, x: {name: layers[name].step(states[name], x, 1.0) for name in layers}
    )
    states = start
    for t, x in enumerate(inputs()):
        out = step(states, x)
        states = {name: state for name, (state, _) in out.items()}
        now = {name: expected[name] for name in layers}
        assert_close({n: y for n, (_, y) in out.items()}, now, lambda y, t=t: y[t])
    assert jax.tree.structure(states) == jax.tree.structure(start)


@pytest.mark.parametrize("name", LAYERS)
def test_a_stack_learns_the_shape_of_what_it_puts_out(name, expected):
    net = snn.Sequential(LAYERS[name](), snn.Dropout())
    shape = inputs().shape[1:]
    start = jax.eval_shape(lambda: net.init(shape, key=KEY))
    assert start[1].kept.shape == expected[name].shape[1:]
    alone = jax.eval_shape(lambda: net.layers[0].init(shape, key=KEY))
    assert jax.tree.structure(start[0]) == jax.tree.structure(alone)


def test_vmap_and_one_sample_alone(expected):
    layers = make_all()
    over_batch = jax.jit(jax.vmap(lambda x: run_all(layers, x), 1, 1))(inputs())
    assert_close(over_batch, expected, but=TOGETHER)
    alone = jax.jit(lambda x: run_all(layers, x))(inputs()[:, 1])
    assert_close(alone, expected, lambda y: y[:, 1], but=TOGETHER)
    two = {name: layers[name] for name in TOGETHER}
    batches = jnp.stack([-inputs(), inputs()])
    over_batches = jax.jit(jax.vmap(lambda x: run_all(two, x)))(batches)
    assert_close({n: y[1] for n, y in over_batches.items()}, {n: expected[n] for n in two})


def test_gradients_are_those_of_finite_differences():
    x, direction = inputs(), jax.random.normal(jax.random.key(2), inputs().shape)

    def aside(path, w):  # running averages count, and send no gradient
        if not eqx.is_inexact_array(w) or "running" in jax.tree_util.keystr(path):
            return None
        return np.cos(np.arange(w.size)).reshape(w.shape)

    def loss(layer, eps):
        asides = jax.tree_util.tree_map_with_path(aside, layer)
        moved = eqx.apply_updates(layer, jax.tree.map(lambda a: eps * a, asides))
        return jnp.sum(jnp.sin(run(moved, x + eps * direction)))

    layers = make_all()
    losses = jax.jit(lambda eps: {n: loss(layers[n], eps[n]) for n in layers})
    at = lambda eps: losses(dict.fromkeys(layers, jnp.asarray(eps)))
    exact = jax.grad(lambda eps: sum(losses(eps).values()))(dict.fromkeys(layers, 0.0))
    h, high, low = 1e-6, at(1e-6), at(-1e-6)
    for name, slope in exact.items():
        assert abs(slope) > 1e-3, name
        finite = (high[name] - low[name]) / (2 * h)
        np.testing.assert_allclose(slope, finite, rtol=1e-6, err_msg=name)


def test_float32_stays_float32_and_agrees(expected):
    narrow = lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x
    layers = jax.tree.map(narrow, make_all())
    single = jax.jit(lambda x: run_all(layers, x))(narrow(inputs()))
    for name, y in single.items():
        assert (y.dtype, expected[name].dtype) == (jnp.float32, jnp.float64), name
        np.testing.assert_allclose(y, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)
    stack = snn.Sequential(layers["Linear"], snn.LIF.from_decay(0.9), layers["LayerNorm"])
    stack = snn.Sequential(jax.tree.map(narrow, stack), snn.Dropout())
    with pytest.raises(ValueError, match=r"LayerNorm takes .* 2 features, got .* 3\)"):
        stack.init(inputs().shape[1:], key=KEY)  # has got so far in float32
    with jax.enable_x64(False):
        like = jax.eval_shape(lambda: run_all(make_all(), jnp.ones((2, 6, 5, 2))))
        assert {y.dtype for y in like.values()} == {np.dtype("float32")}


def test_every_layer_exports_with_its_gradient():
    layers = make_all()

    def loss(x, seed):
        return sum(jnp.sum(y**2) for y in run_all(layers, x, seed).values())

    exports(jax.value_and_grad(loss), inputs(), 0)


EQUINOX = {
    "Linear": (lambda: eqx.nn.Linear(6, 4, key=KEY), 1),
    "scalar Linear": (lambda: eqx.nn.Linear("scalar", "scalar", key=KEY), 0),
    "MLP": (lambda: eqx.nn.MLP(6, 4, 5, 2, key=KEY), 1),
    "Conv1d": (lambda: eqx.nn.Conv1d(5, 4, 3, key=KEY), 2),
    "Conv2d": (lambda: eqx.nn.Conv2d(2, 4, 3, key=KEY), 3),
    "ConvTranspose2d": (lambda: eqx.nn.ConvTranspose2d(2, 4, 3, key=KEY), 3),
    "MaxPool2d": (lambda: eqx.nn.MaxPool2d(2), 3),
    "LayerNorm": (lambda: eqx.nn.LayerNorm(6), 1),
    "LayerNorm of two axes": (lambda: eqx.nn.LayerNorm((5, 6)), 2),
    "RMSNorm": (lambda: eqx.nn.RMSNorm(6), 1),
    "Lambda": (lambda: eqx.nn.Lambda(jax.nn.softmax), 1),
}


@pytest.mark.parametrize("name", EQUINOX)
def test_layers_of_equinox_see_one_sample_at_a_time(name):
    make, axes = EQUINOX[name]
    inner = make()
    x = jnp.moveaxis(inputs(), -1, 2)[..., :6]  # channels first
    x = jnp.concatenate([x, x[..., :1]], -1)  # [time, batch, 2, 6, 6]
    x = x[..., :5, :]  # [time, batch, 2, 5, 6]
    net = snn.Sequential(inner)
    assert net.layers[0].axes == axes
    ys = jax.jit(lambda x: snn.unroll(net, x).outputs)(x)
    alone = eqx.filter_jit(inner)
    for index in [(0,) * (x.ndim - axes), (-1,) * (x.ndim - axes)]:
        np.testing.assert_allclose(ys[index], alone(x[index]), rtol=1e-10, atol=1e-13)


def test_functions_stand_in_a_stack_and_a_stack_trains_through_them():
    net = snn.Sequential(
        eqx.nn.Linear(3, 5, key=KEY), jax.nn.relu, jax.nn.softmax, snn.LIF.from_decay(0.5)
    )
    x = jnp.ones((STEPS, BATCH, 3))
    out = jax.jit(lambda x: snn.unroll(net, x, layers=True))(x)
    assert list(out.layers) == [f"layers.{i}" for i in range(4)]
    weight, bias = net.layers[0].f.weight, net.layers[0].f.bias
    expected = jax.nn.softmax(jnp.maximum(x @ weight.T + bias, 0), axis=-1)
    np.testing.assert_allclose(out.layers["layers.2"], expected, rtol=1e-12)
    params, _ = snn.trainable(net, ["*weight"])
    assert list(params) == ["layers.0.f.weight"]
    # A function is no leaf: jax.jit takes the stack as an argument.
    again = jax.jit(lambda net, x: snn.unroll(net, x).outputs)(net, x)
    np.testing.assert_allclose(again, out.outputs, rtol=1e-12)
    crop = snn.Stateless(lambda image: image[::2, ::2], axes=3)
    assert run(crop, inputs()).shape == (STEPS, BATCH, 3, 3, 2)


class Counter(eqx.Module):
    """A user's own layer of equinox with a state."""

    index: eqx.nn.StateIndex

    def __call__(self, x):
        return x


def test_what_is_not_stateless_is_refused_with_the_way_out():
    stacked = eqx.nn.Sequential([eqx.nn.Linear(3, 3, key=KEY), eqx.nn.Dropout(0.5)])
    for f, message in (
        (eqx.nn.Dropout(0.5), r"another mask at each step: use snn\.Dropout"),
        (stacked, r"another mask at each step: use snn\.Dropout"),
        (eqx.nn.BatchNorm(3, "batch", mode="ema"), r"eqx\.nn\.State .* use snn\.BatchNorm"),
        (Counter(eqx.nn.StateIndex(jnp.zeros(()))), "Counter needs an eqx.nn.State"),
        (eqx.nn.GroupNorm(1, 3), r"Stateless\(GroupNorm\) needs axes="),
        (snn.LIF, r"must be a model or layer, got <class"),
        (3, "must be a model or layer, got 3"),
    ):
        with pytest.raises(ValueError, match=r"Sequential\.layers\.1:? .*" + message):
            snn.Sequential(Doubled(), f)
    assert snn.Stateless(eqx.nn.Dropout(0.0), axes=1).axes == 1
    attention = eqx.nn.MultiheadAttention(2, 4, key=KEY)  # holds a Dropout of p=0
    assert snn.Stateless(lambda x: attention(x, x, x), axes=2).init((5, 4)) == ()
    for bad in (-1, 1.5, "2"):
        with pytest.raises(
            ValueError, match=r"Stateless\.axes must be a whole number from"
        ):
            snn.Stateless(jnp.sin, axes=bad)
    with pytest.raises(ValueError, match=r"Stateless\.f must be a function .* got 3"):
        snn.Stateless(3)


def test_shapes_that_do_not_fit_are_refused():
    linear = snn.Sequential(eqx.nn.Linear(3, 2, key=KEY))
    with pytest.raises(
        ValueError, match=r"layers\.0: Stateless\(Linear\) does not take .* \(4,\): "
    ):
        linear.init((5, 4))
    with pytest.raises(ValueError, match=r"takes samples of 3 axes, got shape \(5, 4\)"):
        snn.Stateless(eqx.nn.Conv2d(1, 1, 3, key=KEY)).init((5, 4))
    with pytest.raises(ValueError, match=r"Stateless\(GRUCell\) .* 'hidden'"):
        snn.Stateless(eqx.nn.GRUCell(3, 3, key=KEY), axes=1).init((3,))

    class Projected(snn.AbstractStateless):
        def __call__(self, x):
            return x @ jnp.ones((3, 2))

    with pytest.raises(
        ValueError, match=r"Projected does not take inputs of shape \(5, 4\)"
    ):
        Projected().init((5, 4))
    assert Projected().init((5, 3)) == ()
