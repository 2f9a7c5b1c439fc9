"""What `jax.export` takes to a GPU or a TPU: every main path, with throw=False."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import snnjax as snn
from tests.toys import NoisyNeuron

PLATFORMS = ("cpu", "cuda", "tpu")


def exports(f, *args):
    """Export `f` for all platforms, take it through bytes, and compare it with itself here."""
    pytest.importorskip("flatbuffers")
    flat = jax.jit(lambda *args: jax.tree.leaves(f(*args)))
    exported = jax.export.export(flat, platforms=PLATFORMS)(*args)
    assert exported.platforms == PLATFORMS
    back = jax.export.deserialize(exported.serialize())
    for a, b in zip(back.call(*args), flat(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12)


def silence(carry, now, state, output):
    return jnp.where(output > 0, 0, carry + now.dt)


RECORD = {
    "v": snn.Trace("v"),
    "thin": snn.Trace("v", "output", every=5),
    "count": snn.SpikeCount(),
    "rate": snn.PopulationRate(every=10),
    "bins": snn.SpikeCount(every=10),
    "sum": snn.Sum("v"),
    "mean": snn.Mean("v", every=10),
    "variance": snn.Variance("v"),
    "low": snn.Minimum("v"),
    "high": snn.Maximum("v", every=5),
    "first": snn.FirstSpike(),
    "last": snn.LastSpike(every=10),
    "raster": snn.SpikeRaster(50, "v"),
    "own": snn.Reduce(silence, jnp.zeros(3)),
}


def test_a_run_with_every_recorder_exports():
    known = {
        k
        for k, v in vars(snn).items()
        if isinstance(v, type) and issubclass(v, snn.AbstractRecorder)
    }
    used = {type(r).__name__ for r in RECORD.values()}
    assert used == known - {"AbstractRecorder"}

    def run(tau_m, current, seed):
        key = jax.random.key(seed)
        model = NoisyNeuron(sigma=tau_m)
        sol = snn.simulate(model, current, 0.5, record=RECORD, key=key, throw=False)
        return sol.ts, sol.ys, sol.final._replace(noise=None)

    exports(run, jnp.full(3, 3.0), jnp.full((40, 3), 30.0), 0)


def network():
    keys = jax.random.split(jax.random.key(0), 2)
    return snn.Sequential(
        snn.Linear(4, 6, key=keys[0], gain=300.0), snn.LIF(), snn.Linear(6, 3, key=keys[1]),
        snn.LeakyIntegrator(),
    )  # fmt: skip


def test_a_training_step_exports():
    params, build = snn.trainable(network(), ["*weight", "*bias", "layers.1.tau_m"])
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))
    code = snn.BernoulliCode(10)

    def step(params, opt_state, x, y, seed):
        def loss(params):
            net, spikes = build(params), code(x, jax.random.key(seed))
            _, outputs = net.unroll(net.init(x.shape), spikes, jnp.asarray(1.0, x.dtype))
            return snn.rate_cross_entropy(outputs, y)

        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return value, optax.apply_updates(params, updates)

    x, y = jnp.linspace(0, 1, 20).reshape(5, 4), jnp.array([0, 1, 2, 0, 1])
    opt_state = optimizer.init(params)
    leaves, tree = jax.tree.flatten((params, opt_state))
    flat_step = lambda leaves, x, y, seed: step(
        *jax.tree.unflatten(tree, leaves), x, y, seed
    )
    exports(flat_step, leaves, x, y, 3)


def test_lean_gradients_and_pieces_run_again_export():
    keys = jax.random.split(jax.random.key(0), 3)
    net = snn.Sequential(
        snn.Linear(4, 6, key=keys[0], gain=2.0),
        snn.LIF.from_decay(0.9),
        snn.Recurrent(snn.LIF.from_decay(0.8), jax.random.normal(keys[1], (6, 6))),
        snn.Linear(6, 3, key=keys[2]),
        snn.LeakyIntegrator(),
    )
    params, build = snn.trainable(net, "*weight")
    names = sorted(params)

    def grads(values, x):
        def loss(values):
            net = build(dict(zip(names, values, strict=True)))
            return jnp.sum(snn.unroll(net, x, remat=7).outputs ** 2)

        return jax.grad(loss)(values)

    exports(grads, [params[name] for name in names], jnp.ones((20, 5, 4)))


def test_layers_export_through_simulate_and_back():
    recurrent = snn.Recurrent(snn.LIF(), 30 * jnp.ones((6, 6)))
    net = snn.Sequential(*network().layers[:1], recurrent, *network().layers[2:])

    def loss(gain, x):
        grown = jax.tree.map(lambda w: gain * w, net)
        return jnp.sum(snn.simulate(grown, x, 1.0, throw=False).ys ** 2)

    exports(
        jax.vmap(jax.grad(loss), (0, None)), jnp.array([1.0, 1.1]), 100 * jnp.ones((20, 4))
    )


def test_inputs_export():
    def run(mean, seed):
        noise = snn.inputs.white_noise(mean, 50.0, key=jax.random.key(seed))
        drive = noise + snn.inputs.step(100.0, start=2.0, stop=8.0)
        return snn.simulate(
            snn.LIF(), drive, 0.5, n_steps=30, throw=False, record=snn.Trace("v")
        ).ys

    exports(run, 200.0, 0)


def test_checks_are_what_cannot_be_exported():
    """If this fails, throw=True exports too, and the advice to leave it out is obsolete."""
    run = jax.jit(lambda current: snn.simulate(snn.LIF(), current, 0.5, n_steps=4).ys)
    with pytest.raises(Exception, match="callback"):
        jax.export.export(run, platforms=PLATFORMS)(250.0).serialize()
