"""Regularisers of activity: by loops in NumPy, and which layers they look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

RNG = np.random.default_rng(0)
LAYERS = {
    "layers.0": RNG.normal(size=(10, 3, 6)),
    "layers.1": (RNG.random((10, 3, 6)) < 0.3).astype(float),
    "layers.2": RNG.normal(size=(10, 3, 4, 5, 2)),
    "layers.3": (RNG.random((10, 3, 4, 5, 2)) < 0.1).astype(float),
}


def network(key):
    keys = jax.random.split(key, 4)
    lif = snn.LIF.from_decay
    return snn.Sequential(
        snn.Linear(5, 6, key=keys[0], gain=3.0), lif(0.9),
        snn.Sequential(snn.Linear(6, 6, key=keys[1]), lif(0.8)),
        snn.Recurrent(lif(0.9), jax.random.normal(keys[2], (6, 6))),
        snn.Linear(6, 2, key=keys[3]), snn.LeakyIntegrator(),
    )  # fmt: skip


def test_lower_activity_is_a_loop_over_samples_and_neurons():
    total = 0
    for name in ("layers.1", "layers.3"):
        rates = LAYERS[name].mean(0).reshape(3, -1)
        for sample in rates:
            total += 2.5 * sum(max(0.2 - r, 0) ** 2 for r in sample) / len(sample) / 3
    lower = snn.LowerActivity(0.2, 2.5, layers=["layers.1", "*3"])
    assert float(jax.jit(lower)(LAYERS)) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("power", [1, 2])
def test_upper_activity_bounds_the_mean_of_a_population(power):
    total = 0
    for name in ("layers.1", "layers.3"):
        for i in range(3):
            excess = LAYERS[name][:, i].mean() - 0.1
            total += 2.5 * max(excess, 0) ** power / 3
    assert total > 0
    upper = snn.UpperActivity(0.1, 2.5, layers=("layers.1", "layers.3"), power=power)
    assert float(jax.jit(upper)(LAYERS)) == pytest.approx(total, rel=1e-12)


def test_within_the_bounds_nothing_is_punished():
    layers = {"cells": jnp.zeros((10, 2, 4)).at[::2].set(1.0)}
    for regulariser in (
        snn.LowerActivity(0.5, layers="cells"),
        snn.UpperActivity(0.5, layers="cells"),
        snn.UpperActivity(0.5, layers="cells", power=1),
    ):
        value, grad = jax.value_and_grad(regulariser)(layers)
        assert float(value) == 0 and np.all(grad["cells"] == 0)


def test_silent_neurons_are_pushed_and_busy_layers_held_back(key):
    net = snn.Sequential(snn.Linear(5, 6, key=key), snn.LIF.from_decay())
    inputs = jnp.ones((20, 4, 5))

    @jax.jit
    def gradients(weight):
        """Of the lower and of the upper bound."""

        def both(weight):
            build = snn.trainable(net, "layers.0.weight").build
            layers = snn.unroll(
                build({"layers.0.weight": weight}), inputs, layers=True
            ).layers
            lower = snn.LowerActivity(0.1, layers="layers.1")
            upper = snn.UpperActivity(0.1, layers="layers.1")
            return jnp.stack([lower(layers), upper(layers)])

        return jax.jacrev(both)(weight)

    lower, upper = gradients(1e-3 * jnp.ones((6, 5)))
    assert np.all(lower < 0) and np.all(upper == 0)  # a step down the gradient adds input
    lower, upper = gradients(jnp.ones((6, 5)))
    assert np.all(lower == 0) and np.all(upper > 0)


def test_spiking_layers_are_the_parts_that_spike(key):
    net = network(key)
    assert snn.spiking_layers(net) == ("layers.1", "layers.2.layers.1", "layers.3")
    assert snn.spiking_layers(snn.LIF()) == ("",)
    assert snn.spiking_layers(snn.Linear(2, 2, key=key)) == ()


def containers(key):
    yield network(key)
    yield snn.Residual(network(key), snn.Linear(5, 2, key=key))
    nodes = {
        "current": (snn.Linear(5, 6, key=key, gain=3.0), "input"),
        "hidden": (snn.LIF.from_decay(), ["current", snn.Previous("back", 6)]),
        "back": (snn.Linear(6, 6, key=key), "hidden"),
    }
    yield snn.Graph(nodes, output="hidden")


def test_spiking_layers_have_the_names_of_unroll(key):
    inputs = np.asarray(jax.random.bernoulli(key, 0.5, (30, 4, 5)), float)
    for net in containers(key):
        layers = snn.unroll(net, inputs, layers=True).layers
        names = snn.spiking_layers(net)
        assert names and set(names) <= layers.keys()
        binary = {n for n, x in layers.items() if set(np.unique(x)) == {0, 1}}
        assert binary == set(names), type(net).__name__
        assert list(names) == [n for n in layers if n in names]
        value = snn.LowerActivity(1.0, layers=names)(layers)
        assert np.isfinite(value) and value > 0


def test_strength_and_rate_can_be_swept():
    sweep = lambda strength: snn.UpperActivity(0.1, strength, layers="layers.1")(LAYERS)
    found = jax.vmap(sweep)(jnp.arange(3.0))
    np.testing.assert_allclose(found, found[1] * np.arange(3), rtol=1e-12)


def test_regularisers_refuse():
    with pytest.raises(ValueError, match=r"names 'layer\.1', .* Did you mean 'layers\.1'"):
        snn.LowerActivity(0.1, layers="layer.1")(LAYERS)
    with pytest.raises(ValueError, match=r"UpperActivity\.layers must name at least one"):
        snn.UpperActivity(0.1, layers=[])
    with pytest.raises(ValueError, match=r"LowerActivity\.rate must be at least 0"):
        snn.LowerActivity(-0.1, layers="*")
    with pytest.raises(ValueError, match=r"UpperActivity\.strength must be at least 0"):
        snn.UpperActivity(0.1, -1.0, layers="*")
    with pytest.raises(ValueError, match=r"UpperActivity\.power must be one of \[1, 2\]"):
        snn.UpperActivity(0.1, layers="*", power=3)
