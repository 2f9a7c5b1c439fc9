"""brainstate: its layers and states, `for_loop` over time, under its `jit`.

The neuron is written with a `HiddenState`: the LIF of brainpy.state differentiates its reset
and carries units. The optimiser is optax, as in the other sides on jax.
"""

import brainstate
import jax
import jax.numpy as jnp
import optax
import side
from jax_side import criterion, inputs
from side import Side
from workloads import DECAY, LEARNING_RATE, channels_first, channels_last

nn, transform = brainstate.nn, brainstate.transform


@jax.custom_jvp
def spike(x):
    return (x >= 0).astype(x.dtype)


@spike.defjvp
def _spike_jvp(primals, tangents):
    return spike(*primals), jnp.exp(-2 * jnp.abs(primals[0])) * tangents[0]


class LIF(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def init_state(self, batch_size, **kwargs):
        self.v = brainstate.HiddenState(jnp.zeros((batch_size, *self.shape)))

    def update(self, x):
        u = DECAY * self.v.value + x
        s = spike(u - 1)
        self.v.value = u - jax.lax.stop_gradient(s)
        return s


class Recurrent(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.lif, self.inside = LIF(weight.shape[:1]), linear(weight)

    def init_state(self, batch_size, **kwargs):
        self.spikes = brainstate.HiddenState(jnp.zeros((batch_size, *self.lif.shape)))

    def update(self, x):
        self.spikes.value = self.lif(x + self.inside(self.spikes.value))
        return self.spikes.value


class Readout(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def init_state(self, batch_size, **kwargs):
        self.r = brainstate.HiddenState(jnp.zeros((batch_size, *self.shape)))

    def update(self, x):
        self.r.value = DECAY * self.r.value + x
        return self.r.value


class Flat(nn.Module):
    def update(self, x):
        return x.reshape(len(x), -1)


def linear(weight):
    layer = nn.Linear(*weight.shape[::-1], b_init=None)
    layer.weight.value = {"weight": jnp.asarray(weight.T)}
    return layer


def conv(pixels, weight):
    *size, channels, outputs = weight.shape
    layer = nn.Conv2d((*pixels, channels), outputs, tuple(size), padding="VALID")
    layer.weight.value = {"weight": jnp.asarray(weight)}
    return layer


def layers(work, data):
    """The stack of layers, and those of them that hold the weights, in order."""
    if work.kind == "lif":
        return [LIF(work.shape[2:])], []
    if work.kind == "conv":
        weight = lambda name: channels_last(name, data[name])
        conv1 = conv((28, 28), weight("conv1"))
        conv2 = conv((12, 12), weight("conv2"))
        w1 = linear(weight("w1"))
        first = [conv1, LIF((24, 24, 16)), nn.AvgPool2d(2, 2)]
        second = [conv2, LIF((8, 8, 32)), nn.AvgPool2d(2, 2)]
        return [*first, *second, Flat(), w1, LIF((10,))], [conv1, conv2, w1]
    w1, hidden = linear(data["w1"]), data["w1"].shape[:1]
    if work.kind == "linear":
        return [w1, LIF(hidden)], [w1]
    read = Readout((work.classes,))
    if work.kind == "dense":
        w2, w3 = linear(data["w2"]), linear(data["w3"])
        return [w1, LIF(hidden), w2, LIF(hidden), w3, read], [w1, w2, w3]
    recurrent, w2 = Recurrent(data["recurrent"]), linear(data["w2"])
    return [w1, recurrent, w2, read], [w1, recurrent.inside, w2]


class Net:
    """The stack, run over time from rest, and its weights by the name of the workload."""

    def __init__(self, work, data):
        stack, weighted = layers(work, data)
        self.stack = nn.Sequential(*stack)
        named = zip(work.weights, weighted, strict=True)
        self.weights = {name: layer.weight for name, layer in named}

    def __call__(self, x):
        nn.init_all_states(self.stack, batch_size=x.shape[1])
        return transform.for_loop(self.stack, x)


def build(work, data):
    conv = work.kind == "conv"
    x, extra = inputs(data, channels_last=conv)
    net = Net(work, data)
    if work.kind == "lif":
        return alone(net, x, extra)
    judge = criterion(work, extra)
    loss = lambda x: judge(net(x))
    differentiate = transform.grad(loss, net.weights, return_value=True)
    value_and_grad = transform.jit(differentiate)
    start = {name: w.value for name, w in net.weights.items()}

    def laid_out(name, g):
        if not conv:
            return g.T
        return channels_first(name, g.T if name == "w1" else g)

    def gradients():
        for name, w in net.weights.items():
            w.value = start[name]
        grads, value = value_and_grad(x)
        return value, {name: laid_out(name, g["weight"]) for name, g in grads.items()}

    if not work.trains:
        forward = transform.jit(loss)
        return Side(
            {
                "forward": lambda: jax.block_until_ready(forward(x)),
                "forward + backward": lambda: jax.block_until_ready(value_and_grad(x)),
            },
            gradients,
        )
    adam = optax.adam(LEARNING_RATE)
    moments = brainstate.ShortTermState(adam.init(start))

    @transform.jit
    def step(x):
        grads, value = differentiate(x)
        params = {name: w.value for name, w in net.weights.items()}
        updates, moments.value = adam.update(grads, moments.value, params)
        for name, new in optax.apply_updates(params, updates).items():
            net.weights[name].value = new
        return value

    def train():
        value = step(x)
        jax.block_until_ready((value, [w.value for w in net.weights.values()]))

    return Side({"training step": train}, gradients)


def alone(net, x, cotangent) -> Side:
    forward = transform.jit(net)

    def weighed(x, cotangent):
        spikes = net(x)
        return jnp.vdot(spikes, cotangent), spikes

    both = transform.jit(
        transform.grad(weighed, argnums=0, has_aux=True, return_value=True)
    )

    def gradients():
        grad, value, _ = both(x, cotangent)
        return value, {"x": grad}

    return Side(
        {
            "forward": lambda: jax.block_until_ready(forward(x)),
            "forward + backward": lambda: jax.block_until_ready(both(x, cotangent)),
        },
        gradients,
    )


if __name__ == "__main__":
    side.main(build, "brainstate", "jax")
