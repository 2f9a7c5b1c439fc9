"""Delays: against interpolation in NumPy, stepped and unrolled alike, gradients by differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads

import snnjax as snn

DT, STEPS, BATCH = 0.5, 17, 3
DELAYS = np.array(
    [0.0, 0.2, 1.0, 1.9, 3.0]
)  # ms: none, within a step, whole, between, most


@pytest.fixture(scope="module")
def inputs():
    return np.asarray(jax.random.normal(jax.random.key(1), (STEPS, BATCH, 5)))


def late(x, delay, dt=DT):
    """x [time, ...] of one feature `delay` ms ago, interpolated; 0 before the start."""
    t = np.arange(len(x)) - delay / dt
    padded = np.concatenate([np.zeros((20, *x.shape[1:])), x])
    grid = np.arange(-20, len(x))
    columns = padded.reshape(len(padded), -1).T
    return np.stack([np.interp(t, grid, c) for c in columns], -1).reshape(x.shape)


def assert_same_stepped(layer, inputs, expected):
    tol = {"rtol": 1e-11, "atol": 1e-13}
    dt = jnp.asarray(DT)
    start = layer.init(inputs.shape[1:], dt=DT)
    end, outputs = jax.jit(lambda *args: layer.unroll(*args))(start, inputs, dt)
    np.testing.assert_allclose(outputs, expected, **tol)
    state, step = start, jax.jit(lambda *args: layer.step(*args))
    for x, y in zip(inputs, expected, strict=True):
        state, out = step(state, x, dt)
        np.testing.assert_allclose(out, y, **tol)
    for a, b in zip(end, state, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_sequence_may_come_in_pieces(inputs):
    """The ring buffer in any position, shorter and longer than a piece."""
    for layer in (snn.Delay(DELAYS, max_delay=3.0), delayed_linear()):
        expected = snn.simulate(layer, inputs, DT).ys
        unroll = jax.jit(lambda *args: layer.unroll(*args))  # noqa: B023
        state, found = layer.init((BATCH, 5), dt=DT), []
        for part in np.split(inputs, [3, 6, 7]):
            state, out = unroll(state, part, jnp.asarray(DT))
            found.append(out)
        np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-11, atol=1e-13)


def test_delay_interpolates_each_feature(inputs):
    layer = snn.Delay(DELAYS, max_delay=3.0)
    expected = np.stack([late(inputs[..., i], d) for i, d in enumerate(DELAYS)], -1)
    assert_same_stepped(layer, inputs, expected)
    assert layer.init((BATCH, 5), dt=DT).past.shape == (8, BATCH, 5)
    np.testing.assert_array_equal(expected[..., 0], inputs[..., 0])  # 0 ms: not delayed
    assert not layer.spiking


@pytest.mark.parametrize("delay", [0.0, 0.7, 2.5])
def test_delay_of_all_features_alike(inputs, delay):
    assert_same_stepped(snn.Delay(delay, max_delay=2.5), inputs, late(inputs, delay))


def delayed_linear(bias=True, **changes):
    layer = snn.DelayedLinear(5, 4, key=jax.random.key(2), max_delay=3.0, **changes)
    return eqx.tree_at(lambda n: n.bias, layer, jnp.arange(4.0)) if bias else layer


def test_delayed_linear_is_a_sum_over_weights(inputs):
    layer = delayed_linear()
    w, d = np.asarray(layer.weight), np.asarray(layer.delay)
    assert d.shape == (4, 5) and 0 <= d.min() < 0.5 < 2.5 < d.max() <= 3
    expected = np.zeros((STEPS, BATCH, 4)) + np.arange(4)
    for o in range(4):
        for i in range(5):
            expected[..., o] += w[o, i] * late(inputs[..., i], d[o, i])
    assert_same_stepped(layer, inputs, expected)


def test_delayed_linear_at_its_bounds(inputs):
    now = delayed_linear(delay=0.0)
    assert_same_stepped(now, inputs, inputs @ np.asarray(now.weight).T + np.arange(4))
    most = delayed_linear(delay=3.0)
    assert_same_stepped(
        most, inputs, late(inputs, 3.0) @ np.asarray(most.weight).T + np.arange(4)
    )


@pytest.mark.parametrize("sigma", [0.05, 0.8])
def test_delayed_linear_with_gaussians(inputs, sigma):
    layer = delayed_linear(sigma=sigma, bias=False)
    w, d = np.asarray(layer.weight), np.asarray(layer.delay)
    k = np.arange(8)  # 3 ms in 6 steps, and what interpolation needs
    bell = np.exp(-(((k[:, None, None] * DT - d) / sigma) ** 2) / 2)
    kernel = w * bell / bell.sum(0)
    expected = np.zeros((STEPS, BATCH, 4))
    for t in range(STEPS):
        for lag in k[: t + 1]:
            expected[t] += inputs[t - lag] @ kernel[lag].T
    assert_same_stepped(layer, inputs, expected)
    if sigma < 0.1:
        nearest = np.rint(d / DT)
        assert np.all(kernel.sum(0) == pytest.approx(w))
        np.testing.assert_array_equal(bell.argmax(0), nearest)


@pytest.mark.parametrize("kind", ["delay", "linear", "gaussian"])
def test_gradients_are_finite_differences(inputs, kind):
    layer = {
        "delay": snn.Delay(np.array([0.1, 0.2, 1.1, 1.9, 2.8]), max_delay=3.0),
        "linear": delayed_linear(),
        "gaussian": delayed_linear(sigma=0.6),
    }[kind]
    leaves = {n: x for n, x in snn.named_leaves(layer).items() if n != "bias"}
    build = snn.trainable(layer, list(leaves), constraints={"*": None}).build
    dt = jnp.asarray(DT)

    def loss(params, x):
        layer = build(params)
        return jnp.sum(jnp.sin(layer.unroll(layer.init(x.shape[1:], dt=DT), x, dt)[1]))

    check_grads(
        jax.jit(loss), (leaves, jnp.asarray(inputs)), order=1, modes=["rev"], eps=1e-6
    )
    start = layer.init(inputs.shape[1:], dt=DT)

    def by_step(params, x):
        return jnp.sum(
            jnp.sin(jax.lax.scan(lambda s, x: build(params).step(s, x, dt), start, x)[1])
        )

    a, b = (jax.jit(jax.grad(f))(leaves, inputs) for f in (loss, by_step))
    for name in leaves:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-9, atol=1e-11)
        assert np.any(a[name])


def test_a_whole_delay_has_the_gradient_towards_longer_ones(inputs):
    dt, x = jnp.asarray(DT), jnp.asarray(inputs[:, 0, :1])

    def at(delay):
        layer = snn.Delay(delay, max_delay=3.0)
        return jnp.sum(layer.unroll(layer.init((1,), dt=DT), x, dt)[1] ** 2)

    difference = (at(1.0 + 1e-7) - at(1.0)) / 1e-7
    assert float(jax.grad(at)(1.0)) == pytest.approx(float(difference), rel=1e-5)
    assert float(jax.grad(at)(0.0)) != 0


def test_a_delay_is_learned():
    """Each feature must come 0.4, 1.3 and 2.2 ms later; the delays are found from the data."""
    true = jnp.array([0.4, 1.3, 2.2])
    times = jnp.arange(60) * DT
    x = jnp.sin(times[:, None] * jnp.array([0.5, 0.7, 0.9])) + jnp.cos(0.3 * times)[:, None]
    run = lambda layer: snn.unroll(layer, x, DT).outputs
    target = run(snn.Delay(true, max_delay=3.0))
    params, build = snn.trainable(
        snn.Delay(jnp.full(3, 1.0), max_delay=3.0),
        "delay",
        constraints={"delay": snn.Bounded(0, 3)},
    )
    optimizer = optax.adam(0.05)

    def update(carry, _):
        params, state = carry
        grads = jax.grad(lambda p: jnp.mean((run(build(p)) - target) ** 2))(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    start = params, optimizer.init(params)
    (params, _), _ = jax.jit(lambda c: jax.lax.scan(update, c, None, length=300))(start)
    np.testing.assert_allclose(build(params).delay, true, atol=0.02)


def test_nothing_of_time_times_weights_is_kept():
    """What the gradient of a whole sequence keeps grows by inputs and outputs a step."""
    n = 24
    layer = snn.DelayedLinear(n, n, key=jax.random.key(0), max_delay=10.0)

    def kept(length):
        x = jnp.ones((length, 2, n))
        run = lambda layer, x: snn.unroll(layer, x, DT).outputs
        residuals = jax.eval_shape(lambda x: jax.vjp(run, layer, x)[1], x)
        return sum(leaf.size for leaf in jax.tree.leaves(residuals))

    assert (kept(40) - kept(20)) / 20 <= 2 * 2 * n


def test_delays_refuse(inputs):
    with pytest.raises(ValueError, match=r"Delay\.delay must be at least 0 ms"):
        snn.Delay(-0.1, max_delay=1.0)
    with pytest.raises(
        ValueError, match=r"Delay\.delay must be at most 2 ms, its max_delay"
    ):
        snn.Delay([1.0, 2.1], max_delay=2.0)
    with pytest.raises(ValueError, match=r"DelayedLinear\.max_delay must be above 0 ms"):
        snn.DelayedLinear(3, 2, key=jax.random.key(0), max_delay=0.0)
    with pytest.raises(ValueError, match=r"DelayedLinear\.sigma must be above 0 ms"):
        delayed_linear(sigma=0.0)
    with pytest.raises(
        ValueError, match=r"delay must be \[out, in\] = \(4, 5\), got \(3,\)"
    ):
        delayed_linear(delay=np.zeros(3))
    with pytest.raises(ValueError, match=r"Delay takes inputs whose last axis has 5"):
        snn.Delay(DELAYS, max_delay=3.0).init((BATCH, 4), dt=DT)
    with pytest.raises(ValueError, match=r"one value or one a feature, got shape \(2, 5\)"):
        snn.Delay(np.ones((2, 5)), max_delay=3.0).init((2, 5), dt=DT)
    for layer in (snn.Delay(1.0, max_delay=3.0), delayed_linear()):
        with pytest.raises(ValueError, match=r"init needs dt \(ms\) as a number, got None"):
            layer.init((5,))
        with pytest.raises(ValueError, match=r"Make the state outside jit"):
            jax.jit(lambda dt: layer.init((5,), dt=dt))(DT)  # noqa: B023
    with pytest.raises(ValueError, match=r"DelayedLinear takes inputs .* 5 features"):
        delayed_linear().init((3, 4), dt=DT)


def test_delays_work_in_a_network_in_float32(inputs):
    with jax.enable_x64(False):
        net = snn.Sequential(
            snn.DelayedLinear(5, 4, key=jax.random.key(2), max_delay=3.0, gain=3.0),
            snn.LIF.from_decay(),
            snn.Delay(jnp.linspace(0, 2, 4), max_delay=2.0),
            snn.Linear(4, 2, key=jax.random.key(3)),
        )
        x = jnp.asarray(inputs, jnp.float32)

        @eqx.filter_jit
        @eqx.filter_value_and_grad(has_aux=True)
        def loss(net):
            out = snn.unroll(net, x, DT, layers=True)
            return jnp.sum(out.outputs**2), out

        (_, out), grads = loss(net)
        assert out.outputs.dtype == jnp.float32 and 0 < out.layers["layers.1"].mean() < 1
        grads = snn.named_leaves(grads)
        assert all(np.all(np.isfinite(g)) for g in grads.values())
        assert np.any(grads["layers.0.delay"]) and np.any(grads["layers.2.delay"])
