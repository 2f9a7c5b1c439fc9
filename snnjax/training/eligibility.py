"""What a synapse remembers of its own past, so that gradients need no other memory."""

import abc
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core.neuron import AbstractNeuron
from snnjax.core.trainable import named_leaves, trainable
from snnjax.layers import Linear, Recurrent, Sequential

Gradients = dict[str, Array]


class Step(NamedTuple):
    """One step of a `Sequential`, as a rule sees it: an entry for each layer."""

    states: tuple[Any, ...]  # before the step
    inputs: tuple[Array, ...]  # [..., features]
    signals: tuple[Array, ...]  # d loss of this step / d output of the layer
    dt: Any


class Route(NamedTuple):
    """How a trained leaf reaches the layer of neurons, `cell`, that remembers it."""

    cell: int
    kind: Literal["weight", "bias", "recurrent", "own"]


class AbstractRule(eqx.Module):
    """Turns the signals of each step into gradients, with traces instead of a history."""

    @abc.abstractmethod
    def init(self, model: Sequential, names: list[str], step: Step) -> Any:
        """Traces at the start; of `step` only shapes matter. Refuses what it cannot train."""

    @abc.abstractmethod
    def step(
        self, model: Sequential, names: list[str], traces: Any, step: Step
    ) -> tuple[Any, Gradients]:
        """Traces after a step, and what it adds to the gradient of each leaf of `names`."""


class DiagonalRTRL(AbstractRule):
    r"""Real-time recurrent learning along each neuron's own state.

    $$\epsilon_t = D_t \epsilon_{t-1} + \partial h_t / \partial \theta, \quad
    D_t = \partial h_t / \partial h_{t-1}, \quad
    dE/d\theta \approx \sum_t (\partial E_t / \partial s_t)\, (d s_t / d\theta)$$

    h is the state of one neuron (all its variables), D its derivative at fixed input, and
    $\partial E_t / \partial s_t$ passes through the layers above within the step. All of it
    is autodiff of the neuron's own `step`. Exact for the last layer of neurons if that is not
    recurrent; what is left out is how a spike acts later, through the states of *other*
    neurons or through a delay. Traces hold [inputs, ..., neurons] a weight and variable.
    Wang et al. 2024, bioRxiv 2024.09.24.614728 (D-RTRL).
    """

    def init(self, model, names, step):
        return {n: _at_rest(model, n, route(model, n), step) for n in names}

    def step(self, model, names, traces, step):
        traces, slopes = advance(model, names, traces, step)
        signal = lambda name: step.signals[route(model, name).cell]
        return traces, {n: contract(model, n, signal(n), slopes[n]) for n in names}


# Where a leaf is, and what remembers it


def is_cell(layer: Any) -> bool:
    """Whether `layer` holds neurons, each with a state of its own."""
    return isinstance(layer, AbstractNeuron) or (
        isinstance(layer, Recurrent) and isinstance(layer.neuron, AbstractNeuron)
    )


def leaf(model: Any, name: str) -> Array:
    """The leaf of `model` of that dotted name."""
    return named_leaves(model)[name]


def put(model: Any, values: Gradients) -> Any:
    """`model` with other `values`, by dotted name, without constraints."""
    return trainable(model, values, constraints=dict.fromkeys(values)).build(values)


def place(name: str) -> int:
    """Which layer of a `Sequential` the leaf `name` is in."""
    return int(name.split(".")[1])


def route(model: Sequential, name: str) -> Route:
    """How the leaf `name` reaches the neurons that remember it; refuses what does not."""
    i, part = place(name), name.split(".", 2)[2]
    layer, above = model.layers[i], model.layers[i + 1 : i + 2]
    if isinstance(layer, Linear) and above and is_cell(above[0]):
        return Route(i + 1, "weight" if part == "weight" else "bias")
    if isinstance(layer, Recurrent) and is_cell(layer) and part == "weight":
        return Route(i, "recurrent")
    if is_cell(layer):
        neuron: Any = layer.neuron if isinstance(layer, Recurrent) else layer
        if np.shape(leaf(model, name)) in ((), (1,), neuron.shape()):
            return Route(i, "own")
    raise ValueError(
        "method='eprop' and 'd-rtrl' train a Linear right before its neurons, "
        f"Recurrent.weight and parameters of neurons, one value each, which {name} is not. "
        "Leave it out of where, or use method='ottt' for other layers of weights."
    )


# Eligibility: the slopes of a neuron's state and output, by autodiff of its step


def _split(layer, state):
    memory = state.neuron if isinstance(layer, Recurrent) else state
    return eqx.partition(memory, eqx.is_inexact_array)


def _at_rest(model, name, way, step):
    memory, _ = _split(model.layers[way.cell], step.states[way.cell])
    rows = _drives(name, way, step).shape[0]
    return jax.tree.map(lambda x: jnp.zeros((rows, *x.shape), x.dtype), memory)


def _drives(name, way, step):
    """What each presynaptic source of a leaf does to the neurons' input: [sources, ...]."""
    if way.kind == "weight":
        return jnp.moveaxis(step.inputs[way.cell - 1], -1, 0)
    if way.kind == "recurrent":
        return jnp.moveaxis(step.states[way.cell].spikes, -1, 0)
    x = step.inputs[way.cell]
    return jnp.full((1, *x.shape[:-1]), way.kind == "bias", x.dtype)


def advance(
    model: Sequential, names: list[str], traces: dict[str, Any], step: Step
) -> tuple[dict[str, Any], Gradients]:
    """By name, the traces after a step, and d output / d leaf [sources, ..., neurons].

    As each neuron depends on its own state and input alone, one tangent a source gives the
    slopes with respect to all weights from there.
    """
    new, slopes = {}, {}
    for cell in {route(model, n).cell for n in names}:
        here = [n for n in names if route(model, n).cell == cell]
        own = {n: leaf(model, n) for n in here if route(model, n).kind == "own"}
        x = step.inputs[cell]
        memory, rest = _split(model.layers[cell], step.states[cell])

        def run(memory, x, own, cell=cell, rest=rest):
            layer, state = put(model, own).layers[cell], step.states[cell]
            now = eqx.combine(memory, rest)
            now = state._replace(neuron=now) if isinstance(layer, Recurrent) else now
            after, out = layer.step(now, x, step.dt)
            return _split(layer, after)[0], out

        push = jax.linearize(run, memory, x, own)[1]
        for name in here:
            only = {n: jnp.full_like(value, n == name) for n, value in own.items()}

            def source(trace, drive, x=x, push=push, only=only):
                return push(trace, jnp.broadcast_to(drive[..., None], x.shape), only)

            drives = _drives(name, route(model, name), step)
            new[name], slopes[name] = jax.vmap(source)(traces[name], drives)
    return new, slopes


def contract(model, name, signal, slopes):
    """The sum over the batch of signal times slopes, in the shape of the leaf."""
    kind = route(model, name).kind
    if kind == "own":  # one value may stand for many neurons
        spread = lambda value: jnp.broadcast_to(value, signal.shape)
        return jax.vjp(spread, leaf(model, name))[1](signal * slopes[0])[0]
    grads = jnp.sum(signal * slopes, tuple(range(1, slopes.ndim - 1)))
    return grads[0] if kind == "bias" else grads.T
