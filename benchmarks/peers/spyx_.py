"""Spyx as its documentation has it: a Sequential that `run` scans over time, under nnx.jit.

Its LIF fires on the potential of the step before and differentiates its reset. Neurons of
one's own are its documented way out: these two keep its contract.
"""

import jax
import jax.numpy as jnp
import optax
import side
import spyx
import spyx.nn as snn
from flax import nnx
from jax_side import alone, criterion, inputs
from side import Side
from workloads import DECAY, LEARNING_RATE, channels_first, channels_last

spike = spyx.axn.custom(
    bwd=lambda x: jnp.exp(-2 * jnp.abs(x)), fwd=lambda x: (x >= 0).astype(x.dtype)
)


class LIF(nnx.Module):
    def __init__(self, shape):
        self.shape = shape

    def __call__(self, x, v):
        u = DECAY * v + x
        s = spike(u - 1)
        return s, u - jax.lax.stop_gradient(s)

    def initial_state(self, batch_size):
        return jnp.zeros((batch_size, *self.shape))


class Readout(nnx.Module):
    def __init__(self, shape):
        self.shape = shape

    def __call__(self, x, r):
        r = DECAY * r + x
        return r, r

    def initial_state(self, batch_size):
        return jnp.zeros((batch_size, *self.shape))


class RecurrentLIF(nnx.Module):
    def __init__(self, weight):
        self.lif = LIF(weight.shape[:1])
        self.weight = nnx.Param(jnp.asarray(weight.T))

    def __call__(self, x, state):
        v, s = state
        s, v = self.lif(x + s @ self.weight[...], v)
        return s, (v, s)

    def initial_state(self, batch_size):
        return (self.lif.initial_state(batch_size),) * 2


def linear(weight):
    layer = nnx.Linear(*weight.shape[::-1], use_bias=False, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(weight.T)
    return layer


def conv(weight):
    *size, inputs, outputs = weight.shape
    layer = nnx.Conv(
        inputs, outputs, tuple(size), padding="VALID", use_bias=False, rngs=nnx.Rngs(0)
    )
    layer.kernel[...] = jnp.asarray(weight)
    return layer


def pool(x):
    return nnx.avg_pool(x, (2, 2), (2, 2))


def network(work, data):
    if work.kind == "lif":
        return LIF(work.shape[2:])
    if work.kind == "conv":
        weight = lambda name: channels_last(name, data[name])
        return snn.Sequential(
            conv(weight("conv1")), LIF((24, 24, 16)), pool,
            conv(weight("conv2")), LIF((8, 8, 32)), pool,
            snn.Flatten(), linear(weight("w1")), LIF((10,)),
        )  # fmt: skip
    w1, hidden = linear(data["w1"]), data["w1"].shape[:1]
    if work.kind == "linear":
        return snn.Sequential(w1, LIF(hidden))
    read = Readout((work.classes,))
    if work.kind == "dense":
        w2, w3 = linear(data["w2"]), linear(data["w3"])
        return snn.Sequential(w1, LIF(hidden), w2, LIF(hidden), w3, read)
    recurrent = RecurrentLIF(data["recurrent"])
    return snn.Sequential(w1, recurrent, linear(data["w2"]), read)


def weights(work, grads):
    """Gradients in the order and the layout of the workload."""
    leaves = {}
    for path, leaf in nnx.to_flat_state(grads):
        leaves[path[1]] = leaf[...]  # by place in the Sequential
    named = zip(work.weights, (leaves[i] for i in sorted(leaves)), strict=True)
    if work.kind != "conv":
        return {name: g.T for name, g in named}
    turned = lambda name, g: channels_first(name, g.T if name == "w1" else g)
    return {name: turned(name, g) for name, g in named}


def build(work, data):
    x, extra = inputs(data, channels_last=work.kind == "conv")
    if work.kind == "lif":
        net = network(work, data)
        return alone(lambda x: snn.run(net, x)[0], x, extra)
    judge = criterion(work, extra)
    loss = lambda net, x: judge(snn.run(net, x)[0])
    value_and_grad = nnx.jit(nnx.value_and_grad(loss))
    net = network(work, data)

    def gradients():
        value, grads = value_and_grad(network(work, data), x)
        return value, weights(work, grads)

    if work.trains:
        optimizer = nnx.Optimizer(net, optax.adam(LEARNING_RATE), wrt=nnx.Param)
        step = spyx.optimize.make_train_step(loss)
        train = lambda: jax.block_until_ready(step(net, optimizer, x))
        return Side({"training step": train}, gradients)
    forward = nnx.jit(loss)
    return Side(
        {
            "forward": lambda: jax.block_until_ready(forward(net, x)),
            "forward + backward": lambda: jax.block_until_ready(value_and_grad(net, x)),
        },
        gradients,
    )


if __name__ == "__main__":
    side.main(build, "spyx", "flax", "jax")
