"""Normalisation and dropout: over which axes, with which gradient, and what a run teaches."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import snnjax as snn

STEPS, BATCH, WIDTH = 9, 5, 4


def draw(seed, *shape):
    offset = np.arange(shape[-1])
    return 3 * offset + (1 + offset) * np.asarray(
        jax.random.normal(jax.random.key(seed), shape)
    )


def batch_norm(**kwargs):
    layer = snn.BatchNorm(WIDTH, threshold=1.5, alpha=0.5, eps=0.01, **kwargs)
    where = lambda n: (n.weight, n.bias)
    return eqx.tree_at(where, layer, (1 + jnp.arange(4.0), jnp.arange(4.0) - 1))


@pytest.mark.parametrize("shape", [(STEPS, BATCH), (STEPS,), (STEPS, BATCH, 3, 2)])
def test_batch_norm_is_the_equation_of_the_paper(shape):
    x = draw(0, *shape, WIDTH)
    layer = batch_norm()
    state, y = layer.unroll(layer.init(x.shape[1:]), x, 1.0)
    flat = x.reshape(-1, WIDTH)
    for c in range(WIDTH):
        values = flat[:, c]
        mean = values.sum() / len(values)
        variance = ((values - mean) ** 2).sum() / len(values)
        hat = 0.5 * 1.5 * (values - mean) / np.sqrt(variance + 0.01)
        expected = (1 + c) * hat + (c - 1)
        np.testing.assert_allclose(y.reshape(-1, WIDTH)[:, c], expected, rtol=1e-11)
        np.testing.assert_allclose(state.mean[c], 0.1 * mean, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(state.variance[c], 0.9 + 0.1 * variance, rtol=1e-12)


def test_what_follows_batch_norm_gets_inputs_as_wide_as_its_threshold():
    x = draw(1, 50, 20, WIDTH)
    for threshold, alpha in ((1.0, 1.0), (20.0, 0.5)):
        layer = snn.BatchNorm(WIDTH, threshold=threshold, alpha=alpha)
        y = snn.unroll(layer, x).outputs
        np.testing.assert_allclose(y.mean((0, 1)), 0, atol=1e-12 * threshold)
        np.testing.assert_allclose(y.std((0, 1)), alpha * threshold, rtol=1e-5)


def test_running_averages_are_absorbed_and_used_in_inference():
    layer = batch_norm(momentum=0.8)
    mean, variance = np.zeros(WIDTH), np.ones(WIDTH)
    for seed in range(3):
        x = draw(seed, STEPS, BATCH, WIDTH)
        layer = layer.absorb(snn.unroll(layer, x).state)
        mean = 0.8 * mean + 0.2 * x.mean((0, 1))
        variance = 0.8 * variance + 0.2 * x.var((0, 1))
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_variance, variance, rtol=1e-12)
    judge = eqx.nn.inference_mode(layer)
    x = draw(7, STEPS, BATCH, WIDTH)
    run = snn.unroll(judge, x)
    hat = 0.75 * (x - mean) / np.sqrt(variance + 0.01)
    expected = (1 + np.arange(4)) * hat + np.arange(4) - 1
    np.testing.assert_allclose(run.outputs, expected, rtol=1e-11)
    np.testing.assert_allclose(snn.simulate(judge, x, 1.0).ys, expected, rtol=1e-11)
    np.testing.assert_array_equal(
        run.state.mean, layer.running_mean
    )  # judging teaches nothing
    np.testing.assert_array_equal(run.state.variance, layer.running_variance)


def test_a_network_absorbs_what_its_normalisation_learnt(key):
    net = snn.Sequential(
        snn.Linear(3, WIDTH, key=key),
        snn.Sequential(snn.BatchNorm(WIDTH), snn.LIF.from_decay(0.9)),
        snn.BatchNorm(WIDTH),
    )
    x = draw(0, STEPS, BATCH, 3)
    run = snn.unroll(net, x, layers=True)
    taught = net.absorb(run.state)
    hidden = np.asarray(run.layers["layers.0"])
    spikes = np.asarray(run.layers["layers.1.layers.1"])
    inner, outer = taught.layers[1].layers[0], taught.layers[2]
    np.testing.assert_allclose(inner.running_mean, 0.1 * hidden.mean((0, 1)), rtol=1e-12)
    np.testing.assert_allclose(outer.running_mean, 0.1 * spikes.mean((0, 1)), rtol=1e-12)
    assert spikes.sum() > 5
    np.testing.assert_array_equal(taught.layers[0].weight, net.layers[0].weight)


def test_gradients_pass_through_the_statistics_of_the_batch():
    x = jnp.asarray(draw(2, STEPS, BATCH, WIDTH))
    layer = batch_norm()
    params, build = snn.trainable(layer, ["*weight", "*bias"])

    def loss(params, x):
        layer = build(params)
        return jnp.sum(jnp.sin(layer.unroll(layer.init((BATCH, WIDTH)), x, 1.0)[1]))

    check_grads(loss, (params, x), order=1, rtol=1e-6)
    # A constant added to a feature, and its scale, are taken out again.
    slope = jax.grad(loss, 1)(params, x)
    np.testing.assert_allclose(slope.sum((0, 1)), 0, atol=1e-11)
    judge = eqx.nn.inference_mode(layer)
    fixed = lambda x: jnp.sum(jnp.sin(snn.unroll(judge, x).outputs))
    check_grads(fixed, (x,), order=1, rtol=1e-6)


@pytest.mark.parametrize("inference", [False, True])
def test_running_averages_are_not_trained(inference):
    layer = eqx.nn.inference_mode(batch_norm(), inference)
    params, build = snn.trainable(layer, "*")
    assert {"running_mean", "running_variance"} < params.keys()
    x = draw(3, STEPS, BATCH, WIDTH)

    def loss(params):
        run = snn.unroll(build(params), x)
        return jnp.sum(run.outputs**2) + sum(map(jnp.sum, run.state))

    grads = jax.grad(loss)(params)
    for name, slope in grads.items():
        assert np.any(slope) == (not name.startswith("running")), name
    assert set(snn.trainable(layer, ["*weight", "*bias"]).params) == {"weight", "bias"}


def test_training_needs_a_sequence_and_a_plain_mode(key):
    layer = batch_norm()
    with pytest.raises(
        ValueError, match=r"BatchNorm in training .* use unroll, or eqx\.nn\.inf"
    ):
        layer.step(layer.init((WIDTH,)), jnp.ones(WIDTH), 1.0)
    with pytest.raises(ValueError, match="BatchNorm in training"):
        snn.simulate(layer, np.ones((3, WIDTH)), 1.0)
    run = lambda layer: snn.unroll(layer, jnp.ones((3, WIDTH))).outputs
    with pytest.raises(ValueError, match=r"BatchNorm\.inference .* eqx\.filter_jit"):
        jax.jit(run)(layer)
    np.testing.assert_allclose(eqx.filter_jit(run)(layer), run(layer), rtol=1e-12)


def test_layer_norm_is_its_equation():
    layer = snn.LayerNorm(WIDTH, eps=0.01)
    where = lambda n: (n.weight, n.bias)
    layer = eqx.tree_at(where, layer, (1 + jnp.arange(4.0), jnp.arange(4.0) - 1))
    x = draw(4, STEPS, BATCH, WIDTH)
    y = snn.unroll(layer, x).outputs
    for t, b in np.ndindex(STEPS, BATCH):
        row = x[t, b]
        mean = row.sum() / WIDTH
        variance = ((row - mean) ** 2).sum() / WIDTH
        expected = (1 + np.arange(4)) * (row - mean) / np.sqrt(variance + 0.01)
        np.testing.assert_allclose(y[t, b], expected + np.arange(4) - 1, rtol=1e-11)
    params, build = snn.trainable(layer, "*")
    check_grads(lambda p, x: jnp.sin(build(p)(x)), (params, jnp.asarray(x)), 1, rtol=1e-6)


def test_what_varies_little_about_a_large_mean_is_normalised_in_float32():
    wave = np.sin(np.arange(400.0)).reshape(100, WIDTH)
    x = np.float32(1000 + wave)
    exact = (np.float64(x) - x.mean(0, dtype=float)) / np.float64(x).std(0)
    with jax.enable_x64(False):
        y = snn.unroll(snn.BatchNorm(WIDTH), x).outputs
        z = snn.LayerNorm(400)(x.ravel())
    np.testing.assert_allclose(y, exact, atol=2e-3)  # E[x^2] - E[x]^2 would be off by 0.1
    exact = (np.float64(x) - x.mean(dtype=float)) / np.float64(x).std()
    np.testing.assert_allclose(z, exact.ravel(), atol=2e-3)


def test_silent_inputs_have_finite_gradients():
    for layer in (snn.BatchNorm(WIDTH), snn.LayerNorm(WIDTH)):
        loss = lambda x, layer=layer: jnp.sum(snn.unroll(layer, x).outputs ** 2 + x)
        assert np.isfinite(jax.grad(loss)(jnp.zeros((STEPS, BATCH, WIDTH)))).all()


def test_normalisation_refuses():
    for make, message in {
        lambda: snn.BatchNorm(0): r"BatchNorm\.features must be a whole number above 0",
        lambda: snn.BatchNorm(3, threshold=0): r"BatchNorm\.threshold must be above 0",
        lambda: snn.BatchNorm(3, alpha=-1): r"BatchNorm\.alpha must be above 0",
        lambda: snn.BatchNorm(3, momentum=1): r"BatchNorm\.momentum .* below 1, got 1",
        lambda: snn.BatchNorm(3, eps=0): r"BatchNorm\.eps must be above 0",
        lambda: snn.BatchNorm(3).init(
            (5, 4)
        ): r"BatchNorm takes .* 3 features, got .*\(5, 4\)",
        lambda: snn.LayerNorm(2.5): r"LayerNorm\.features must be a whole number above 0",
        lambda: snn.LayerNorm(3, eps=0): r"LayerNorm\.eps must be above 0",
        lambda: snn.LayerNorm(3).init((4,)): r"LayerNorm takes .* 3 features, got .*\(4,\)",
        lambda: snn.Dropout(1.0): r"Dropout\.p must be at least 0 and below 1, got 1.0",
        lambda: snn.Dropout(-0.5): r"Dropout\.p must be at least 0 and below 1, got -0.5",
    }.items():
        with pytest.raises(ValueError, match=message):
            make()


def test_dropout_silences_the_same_units_all_the_time(key):
    layer, x = snn.Dropout(0.3), 1 + np.abs(draw(0, STEPS, 50, 200))
    run = snn.unroll(layer, x, key=key)
    ratio = np.asarray(run.outputs / x)
    kept = ratio[0] > 0
    expected = np.broadcast_to(np.where(kept, 1 / 0.7, 0), x.shape)
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)
    # 99.99 %: 3.9 standard errors of a fraction
    assert abs(kept.mean() - 0.7) < 3.9 * np.sqrt(0.3 * 0.7 / kept.size)
    assert np.any(kept[0] != kept[1])  # every sample has a mask of its own
    by_step = snn.simulate(layer, x, 1.0, key=key).ys
    np.testing.assert_allclose(by_step, run.outputs, rtol=1e-15)
    other = snn.unroll(layer, x, key=jax.random.key(1)).outputs
    assert np.any((np.asarray(other)[0] > 0) != kept)
    slope = jax.grad(lambda x: snn.unroll(layer, x, key=key).outputs.sum())(x)
    np.testing.assert_allclose(slope, expected, rtol=1e-12)


def test_dropout_passes_everything_in_inference(key):
    x = draw(0, STEPS, BATCH, WIDTH)
    judge = eqx.nn.inference_mode(snn.Dropout(0.3))
    np.testing.assert_array_equal(snn.unroll(judge, x).outputs, x)
    np.testing.assert_array_equal(snn.simulate(judge, x, 1.0).ys, x)
    state = snn.Dropout(0.3).init(x.shape[1:], key=key)
    np.testing.assert_array_equal(snn.unroll(judge, x, state=state).outputs, x)


def test_dropout_asks_for_a_key_and_its_own_state(key):
    layer = snn.Dropout(0.3)
    with pytest.raises(ValueError, match=r"Dropout .* needs a key: .*inference_mode"):
        layer.init((3,))
    with pytest.raises(ValueError, match=r"Sequential\.layers\.1: Dropout .* needs a key"):
        snn.unroll(snn.Sequential(snn.LIF(), layer), np.ones((2, 3)))
    silent = eqx.nn.inference_mode(layer).init((3,))
    with pytest.raises(ValueError, match="its state was made in inference"):
        layer.step(silent, jnp.ones(3), 1.0)
    with pytest.raises(ValueError, match=r"mask of shape \(3,\) in init, got .* \(2, 3\)"):
        layer.step(layer.init((3,), key=key), jnp.ones((2, 3)), 1.0)
    with pytest.raises(ValueError, match=r"Dropout\.inference .* eqx\.filter_jit"):
        jax.jit(lambda layer: layer.init((3,), key=key))(layer)
