"""Many trainings in one program: each is the one that it would be alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import snnjax as snn


def patterns(key):
    """Two kinds of spike patterns [time, sample, channel], told apart by which half is active."""
    kind = jnp.arange(16) % 2
    rate = jnp.where((jnp.arange(8) < 4) == (kind[:, None] == 0), 0.6, 0.1)
    return (jax.random.uniform(key, (12, 16, 8)) < rate).astype(float), kind


X, Y = patterns(jax.random.key(9))


def train(learning_rate, tau, seed, steps=25):
    k_in, k_out = jax.random.split(jax.random.key(seed))
    threshold = snn.Threshold(1.0, snn.SuperSpike(beta=5.0))
    net = snn.Sequential(
        snn.Linear(8, 6, key=k_in),
        snn.LIF.from_decay(jnp.exp(-1 / tau), threshold=threshold),
        snn.Linear(6, 2, key=k_out),
        snn.LeakyIntegrator.from_decay(0.9),
    )
    params, build = snn.trainable(net, "*weight")
    optimizer = optax.adam(learning_rate)

    def loss(params):
        out = snn.unroll(build(params), X).outputs.mean(0)
        return optax.softmax_cross_entropy_with_integer_labels(out, Y).mean()

    def update(carry, _):
        params, state = carry
        value, slope = jax.value_and_grad(loss)(params)
        moves, state = optimizer.update(slope, state, params)
        return (optax.apply_updates(params, moves), state), value

    start = params, optimizer.init(params)
    (params, _), losses = jax.lax.scan(update, start, length=steps)
    return dict(losses=losses, weight=params["layers.0.weight"])


def test_hundreds_of_networks_train_at_once_and_each_as_if_alone():
    rates = snn.sweeps.latin_hypercube(
        100, seed=0, learning_rate=(0.005, 0.1), tau=(2.0, 20.0)
    )
    points = rates * snn.sweeps.grid(seed=[0, 1, 2])
    found = snn.sweep(train, points)
    alone = jax.jit(train)
    for place in ((0, 0), (57, 2), (99, 1)):
        at = {n: x[place] for n, x in found.parameters.items()}
        expected = alone(**at)
        for name in ("losses", "weight"):
            np.testing.assert_allclose(found[name].values[place], expected[name], rtol=1e-6)
    losses = found["losses"].values
    assert np.median(losses[..., -1]) < 0.5 * np.median(losses[..., 0])
    # Seeds, learning rates and time constants all make a difference.
    assert len(np.unique(losses[..., -1])) > 290
