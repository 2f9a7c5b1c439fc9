"""Truncated backpropagation through time."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn

KEY = jax.random.key(4)
STEPS, BATCH = 23, 3


def network():
    lif = snn.LIF.from_decay(0.8)
    return snn.Sequential(
        snn.Linear(4, 6, key=KEY, gain=2.0), lif, snn.Linear(6, 2, key=jax.random.key(5)),
        snn.LeakyIntegrator(5.0),
    )  # fmt: skip


def stream():
    rng = np.random.default_rng(0)
    return rng.random((STEPS, BATCH, 4)), rng.normal(size=(STEPS, BATCH, 2))


def squared(outputs, targets):
    return jnp.mean((outputs - targets) ** 2)


def fit_stream(data, model=None, rate=0.2, **kwargs):
    settings = dict(loss=squared, optimizer=optax.sgd(rate), key=KEY, progress=False)
    return snn.fit_stream(
        network() if model is None else model, data, **{**settings, **kwargs}
    )


def by_hand(window, rate=0.2):
    """Window after window: one step after the other, the state cut off by hand."""
    net, (x, y) = network(), stream()
    params, build = snn.trainable(net, ["*weight", "*bias"])
    state, losses, norms = net.init((BATCH, 4), dt=1.0), [], []
    for i in range(0, STEPS, window):

        def loss(params, state=state, i=i):
            state, outputs = jax.lax.stop_gradient(state), []
            for input in x[i : i + window]:
                state, output = build(params).step(state, input, jnp.asarray(1.0))
                outputs.append(output)
            return squared(jnp.stack(outputs), y[i : i + window]), state

        (value, state), grads = jax.value_and_grad(loss, has_aux=True)(params)
        params = jax.tree.map(lambda p, g: p - rate * g, params, grads)
        losses.append(float(value))
        norms.append({n: float(jnp.linalg.norm(g)) for n, g in grads.items()})
    return build(params), losses, norms, state


@pytest.mark.parametrize("window", [5, STEPS])
def test_gradients_stop_between_windows_and_states_do_not(window):
    net, history = fit_stream(stream(), window=window)
    expected, losses, norms, state = by_hand(window)
    for a, b in zip(*map(jax.tree.leaves, (net, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-11)
    for name, x in history.gradient_norms.items():
        np.testing.assert_allclose(x, [n[name] for n in norms], rtol=1e-9)
    for a, b in zip(*map(jax.tree.leaves, (history.state, state)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


def test_one_window_as_long_as_the_stream_is_full_backpropagation():
    x, y = stream()
    net, _ = fit_stream((x, y), window=STEPS)
    batch_first = (np.moveaxis(x, 1, 0), np.moveaxis(y, 1, 0))
    by_fit, _ = snn.fit(
        network(), batch_first, loss=lambda o, y: squared(o, jnp.moveaxis(y, 0, 1)),
        score=None, optimizer=optax.sgd(0.2), key=KEY, epochs=1, batch_size=BATCH,
        progress=False,
    )  # fmt: skip
    for a, b in zip(*map(jax.tree.leaves, (net, by_fit)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


def test_a_stream_may_be_any_iterable_and_go_on():
    x, y = stream()
    together, whole = fit_stream((x, y), window=6)
    parts = ((x[i : i + 6], y[i : i + 6]) for i in range(0, STEPS, 6))
    made, history = fit_stream(parts)
    np.testing.assert_array_equal(history.loss, whole.loss)
    first, begun = fit_stream((x[:12], y[:12]), window=6)
    second, ended = fit_stream((x[12:], y[12:]), first, window=6, state=begun.state)
    for a, b, c in zip(*map(jax.tree.leaves, (together, made, second)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(c, a, rtol=1e-12)
    assert len(begun.loss) == 2 and len(ended.loss) == 2


def test_running_averages_and_regularisers_go_along():
    x, y = stream()
    net = snn.Sequential(snn.BatchNorm(4, momentum=0.5), snn.Linear(4, 2, key=KEY))
    penalty = lambda layers: jnp.mean(layers["layers.1"] ** 2)
    net, history = fit_stream((x, y), net, rate=0.0, window=10, regularisers=[penalty])
    mean = 0.0
    for i in (0, 10, 20):
        mean = 0.5 * mean + 0.5 * x[i : i + 10].mean((0, 1))
    np.testing.assert_allclose(net.layers[0].running_mean, mean, rtol=1e-9)
    assert net.layers[0].inference
    assert np.all(history.penalty > 0) and len(history.penalty) == 3


def test_memory_is_that_of_a_window(monkeypatch):
    lengths, unroll = [], snn.unroll

    def noting(model, inputs, *args, **kwargs):
        lengths.append(len(inputs))
        return unroll(model, inputs, *args, **kwargs)

    monkeypatch.setattr("snnjax.training.task.unroll", noting)
    x = np.ones((400, 1, 4))
    fit_stream((x, x[..., :2]), snn.Linear(4, 2, key=KEY), window=20)
    assert set(lengths) == {20}
    assert len(lengths) <= 3  # traced: to look, at first, and with a state


def test_fit_stream_refuses():
    x, y = stream()
    with pytest.raises(
        ValueError, match=r"fit_stream\.stream must hold x and y of the same"
    ):
        fit_stream((x, y[:-1]), window=5)
    with pytest.raises(
        ValueError, match=r"fit_stream\.window must be a whole number above 0"
    ):
        fit_stream((x, y), window=0)
    with pytest.raises(ValueError, match=r"holds no window"):
        fit_stream(iter(()))
    with pytest.raises(ValueError, match=r"stream, window 0 must be a pair"):
        fit_stream([x, y])
    with pytest.raises(ValueError, match=r"no longer finite in window 1.*shorter window"):
        fit_stream((x, y), snn.Linear(4, 2, key=KEY), window=5, optimizer=optax.sgd(np.inf))
    with pytest.raises(ValueError, match=r"fit_stream\.key must be a random key"):
        fit_stream((x, y), window=5, key=1)
