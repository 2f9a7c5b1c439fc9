"""Every neuron of the library is a layer: between weights, unrolled, compiled and trained."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn
from snnjax import neurons

STEPS, BATCH, HIDDEN = 40, 4, 5
CLASSES = [
    value
    for value in (getattr(neurons, name) for name in neurons.__all__)
    if inspect.isclass(value) and issubclass(value, snn.AbstractDynamics)
]
every_neuron = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)

# They fire where v crosses a level on its way up, and have no reset: by design such a spike
# carries no gradient. What to train instead is their voltage: see the test of it.
CROSSING = {
    *("HodgkinHuxley", "ReducedHodgkinHuxley", "MorrisLecar", "FitzHughNagumo"),
    *("HindmarshRose", "McKean"),
}
# (what an input of 1 is worth, in the neuron's own unit; dt), with which it fires.
SETTINGS = {
    **dict.fromkeys(("LIF", "AdaptiveLIF", "EscapeLIF", "SpikeResponse"), (1000.0, 1.0)),
    **dict.fromkeys(("PerfectIF", "ExponentialIF", "AdEx", "GeneralisedIF"), (2000.0, 0.5)),
    **dict.fromkeys(("ParallelLIF", "QuadraticIF"), (1000.0, 1.0)),
    **dict.fromkeys(("HodgkinHuxley", "ReducedHodgkinHuxley"), (100.0, 0.05)),
    **dict.fromkeys(("FitzHughNagumo", "McKean"), (5.0, 0.2)),
    "CubaLIF": (500.0, 1.0),
    "MorrisLecar": (150.0, 0.5),
    "HindmarshRose": (10.0, 0.1),
    "Izhikevich": (40.0, 0.5),
    "PiecewiseLinearIF": (60.0, 0.2),
    "ResonateAndFire": (5.0, 0.2),
    "McCullochPitts": (2.0, 1.0),
}


def made(cls):
    if cls is snn.McCullochPitts:
        return cls(jax.random.normal(jax.random.key(7), (HIDDEN, HIDDEN)))
    return cls()


def has_surrogate(neuron):
    is_threshold = lambda x: isinstance(x, snn.Threshold)
    return any(map(is_threshold, jax.tree.leaves(neuron, is_leaf=is_threshold)))


def network(neuron, gain):
    keys = jax.random.split(jax.random.key(0), 2)
    return snn.Sequential(
        snn.Linear(3, HIDDEN, key=keys[0], gain=gain),
        neuron,
        snn.Linear(HIDDEN, 2, key=keys[1]),
        snn.LeakyIntegrator(5.0),
    )


INPUTS = np.asarray(jax.random.uniform(jax.random.key(1), (STEPS, BATCH, 3)))
TARGET = jnp.array([0.3, -0.3])


def test_every_neuron_is_here():
    names = {cls.__name__ for cls in CLASSES}
    assert names == SETTINGS.keys()  # a new one: add the input with which it fires
    assert {cls.__name__ for cls in CLASSES if not has_surrogate(made(cls))} == CROSSING


@functools.cache
def run(cls):
    """(gradients of loss and last voltage, outputs of all layers, output by steps)."""
    gain, dt = SETTINGS[cls.__name__]
    net = network(made(cls), gain)
    params, build = snn.trainable(net, "*weight")
    start = net.init((BATCH, 3), key=jax.random.key(2), dt=dt)

    @jax.jit
    def program(params, start):
        def both(params):
            whole = snn.unroll(build(params), INPUTS, dt, state=start, layers=True)
            loss = jnp.mean((whole.outputs - TARGET) ** 2)
            v = getattr(whole.state[1], "v", jnp.zeros(()))
            return jnp.stack([loss, jnp.mean(v)]), whole.layers

        gradients, layers = jax.jacrev(both, has_aux=True)(params)
        model = build(params)
        _, steps = jax.lax.scan(lambda s, x: model.step(s, x, dt), start, INPUTS)
        return gradients, layers, steps

    return program(params, start)


@every_neuron
def test_unrolled_between_layers_it_is_as_stepped(cls):
    _, layers, steps = run(cls)
    spikes = layers["layers.1"]
    assert spikes.shape == (STEPS, BATCH, HIDDEN)
    assert 0 < spikes.mean() < 1 and set(np.unique(spikes)) == {0.0, 1.0}
    np.testing.assert_allclose(layers["layers.3"], steps, rtol=1e-9, atol=1e-12)


@every_neuron
def test_gradients_reach_the_weights_before_it(cls):
    gradients, _, _ = run(cls)
    loss, voltage = gradients["layers.0.weight"]
    assert np.all(np.isfinite(gradients["layers.0.weight"]))
    assert np.any(gradients["layers.2.weight"][0] != 0)
    if cls.__name__ in CROSSING:
        assert not np.any(loss)
        assert np.all(voltage != 0)
    else:
        assert np.any(loss != 0)


def test_of_a_neuron_without_reset_the_voltage_is_what_to_train():
    """It is pulled to a target, as recorded over time."""
    gain, dt = SETTINGS["MorrisLecar"]
    params, build = snn.trainable(network(snn.MorrisLecar(), gain), "layers.0.weight")
    v = snn.Trace(lambda state, output: state[1].v)

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        sol = snn.simulate(build(params), INPUTS[:10], dt, record=v, throw=False)
        return jnp.mean((sol.ys + 40.0) ** 2)

    first, gradient = loss(params)
    moved = jax.tree.map(lambda p, g: p - 50 * g / jnp.linalg.norm(g), params, gradient)
    assert loss(moved)[0] < 0.9 * first


# Training


SURROGATE = snn.SuperSpike  # slopes as wide as potentials are from the threshold
TRAINED = {
    "Izhikevich": (
        lambda: snn.Izhikevich(threshold=snn.Threshold(30.0, SURROGATE(0.05))),
        lambda x: 40 * x + 5,
        0.5,
    ),
    "AdEx": (
        lambda: snn.AdEx(threshold=snn.Threshold(0.0, SURROGATE(0.05))),
        lambda x: 2000 * x + 500,
        0.5,
    ),
    "ResonateAndFire": (
        lambda: snn.ResonateAndFire(threshold=snn.Threshold(1.0, SURROGATE(1.0))),
        lambda x: 5 * x,
        0.2,
    ),
    "GeneralisedIF": (
        lambda: snn.GeneralisedIF(
            jump=[-50.0, -5.0], threshold=snn.Threshold(-50.0, SURROGATE(0.1))
        ),
        lambda x: 500 * x + 100,
        1.0,
    ),
    "CubaLIF": (
        lambda: snn.CubaLIF(threshold=snn.Threshold(-55.0, SURROGATE(0.1))),
        lambda x: 200 * x + 20,
        1.0,
    ),
    "AdaptiveLIF": (
        lambda: snn.AdaptiveLIF(threshold=snn.Threshold(-55.0, SURROGATE(0.1))),
        lambda x: 500 * x + 100,
        1.0,
    ),
}


@pytest.mark.parametrize("name", TRAINED)
def test_training_makes_the_loss_smaller(name):
    make, current, dt = TRAINED[name]
    keys = jax.random.split(jax.random.key(0), 2)
    net = snn.Sequential(
        snn.Linear(3, 16, key=keys[0]),
        current,  # from weights near 1 to the unit of the neuron
        make(),
        snn.Linear(16, 2, key=keys[1], gain=3.0),
        snn.LeakyIntegrator(5.0),
    )
    # Only the weights before the neuron: what is learned goes through its surrogate.
    params, build = snn.trainable(net, "layers.0.*")
    x = jnp.asarray(np.random.default_rng(0).random((16, 3)))
    y = (x[:, 0] > x[:, 1]).astype(int)
    sequence = jnp.broadcast_to(x, (STEPS, *x.shape))
    loss = lambda p: snn.rate_cross_entropy(
        5 * snn.unroll(build(p), sequence, dt).outputs, y
    )
    optimizer = optax.adam(0.03)

    @jax.jit
    def train(params):
        def update(carry, _):
            params, state = carry
            value, grads = jax.value_and_grad(loss)(params)
            updates, state = optimizer.update(grads, state)
            return (optax.apply_updates(params, updates), state), value

        return jax.lax.scan(update, (params, optimizer.init(params)), length=60)[1]

    losses = train(params)
    assert np.all(np.isfinite(losses))
    assert np.mean(losses[-5:]) < 0.7 * losses[0], losses


@pytest.mark.parametrize("kind", ["full", "masked", "sliding"])
def test_parallel_neurons_learn_what_needs_memory(kind):
    """Whether the second of three inputs was there: none of the others tells."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (3, 200, 1)).astype(float)
    y = jnp.asarray(x[1, :, 0], int)
    keys = jax.random.split(jax.random.key(1), 3)
    layer = snn.SlidingPSN(3) if kind == "sliding" else snn.PSN(
        3, key=keys[2], order=3 if kind == "masked" else None
    )  # fmt: skip
    net = snn.Sequential(
        snn.Linear(1, 16, key=keys[0], gain=2.0), layer, snn.Linear(16, 2, key=keys[1])
    )
    params, build = snn.trainable(net, ["*weight", "*bias", "*level"])
    last = lambda p: snn.unroll(build(p), x).outputs[-1]
    cross = optax.softmax_cross_entropy_with_integer_labels
    optimizer = optax.adam(0.03)

    @jax.jit
    def update(params, state):
        loss, grads = jax.value_and_grad(lambda p: cross(last(p), y).mean())(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    state = optimizer.init(params)
    for _ in range(150):
        params, state, loss = update(params, state)
    assert loss < 0.1
    assert jnp.mean(last(params).argmax(-1) == y) == 1
