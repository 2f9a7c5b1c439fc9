"""snnjax, as its users write it: Sequential, unroll, trainable and optax."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import side
from jax.sharding import NamedSharding, PartitionSpec
from jax_side import alone, criterion, inputs
from side import Side
from workloads import DECAY, LEARNING_RATE, channels_first, channels_last

import snnjax as snn

KEY = jax.random.key(0)  # of weights that are replaced by the drawn ones


def lif():
    return snn.LIF.from_decay(DECAY, threshold=snn.Threshold(1.0, snn.Laplace(beta=2.0)))


def readout():
    return snn.LeakyIntegrator.from_decay(DECAY)


def linear(weight):
    layer = snn.Linear(*weight.shape[::-1], key=KEY, bias=False)
    return eqx.tree_at(lambda part: part.weight, layer, jnp.asarray(weight))


def conv(weight):
    *size, inputs, outputs = weight.shape
    layer = snn.Conv2d(inputs, outputs, tuple(size), key=KEY, bias=False)
    return eqx.tree_at(lambda part: part.weight, layer, jnp.asarray(weight))


def network(work, data):
    if work.kind == "lif":
        return lif()
    if work.kind == "conv":
        weight = lambda name: channels_last(name, data[name])
        return snn.Sequential(
            conv(weight("conv1")), lif(), snn.AveragePool2d(2),
            conv(weight("conv2")), lif(), snn.AveragePool2d(2),
            snn.Flatten(), linear(weight("w1")), lif(),
        )  # fmt: skip
    w1 = linear(data["w1"])
    if work.kind == "linear":
        return snn.Sequential(w1, lif())
    if work.kind == "dense":
        w2, w3 = linear(data["w2"]), linear(data["w3"])
        return snn.Sequential(w1, lif(), w2, lif(), w3, readout())
    recurrent = snn.Recurrent(lif(), data["recurrent"])
    return snn.Sequential(w1, recurrent, linear(data["w2"]), readout())


def build(work, data, remat=None, mesh=None):
    conv = work.kind == "conv"
    x, extra = inputs(data, channels_last=conv)
    if mesh is not None:  # the batch divided: all that a user does for it
        x = jax.device_put(x, NamedSharding(mesh, PartitionSpec(None, "batch")))
    if work.kind == "lif":
        return alone(lambda x: snn.unroll(lif(), x).outputs, x, extra)
    judge = criterion(work, extra)
    start, rebuild = snn.trainable(network(work, data), "*weight")

    def loss(params, x):
        return judge(snn.unroll(rebuild(params), x, remat=remat).outputs)

    value_and_grad = jax.jit(jax.value_and_grad(loss))

    def gradients():
        value, grads = value_and_grad(start, x)
        named = zip(work.weights, grads.values(), strict=True)
        laid_out = channels_first if conv else lambda name, g: g
        return value, {name: laid_out(name, g) for name, g in named}

    if not work.trains:
        forward = jax.jit(loss)
        return Side(
            {
                "forward": lambda: jax.block_until_ready(forward(start, x)),
                "forward + backward": lambda: jax.block_until_ready(
                    value_and_grad(start, x)
                ),
            },
            gradients,
        )
    adam = optax.adam(LEARNING_RATE)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, opt_state, x):
        value, grads = jax.value_and_grad(loss)(params, x)
        updates, opt_state = adam.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, value

    params = jax.tree.map(jnp.copy, start)  # the first step takes its arguments' memory
    state = [params, adam.init(params)]
    if mesh is not None:
        state = jax.device_put(state, NamedSharding(mesh, PartitionSpec()))

    def train():
        *state[:], value = step(*state, x)
        jax.block_until_ready(state)
        return float(value)

    return Side({"training step": train}, gradients)


if __name__ == "__main__":
    side.main(build, "jax", "equinox")
