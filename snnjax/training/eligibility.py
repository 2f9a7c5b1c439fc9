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
from snnjax.layers import LeakyIntegrator, Linear, Recurrent, Sequential

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
    recurrent; what is left out is how a spike acts through the states of *other* neurons
    later. Traces hold [inputs, ..., neurons] a weight and variable.
    Wang et al. 2024, bioRxiv 2024.09.24.614728 (D-RTRL).
    """

    def init(self, model, names, step):
        return {n: _at_rest(model, n, route(model, n, "d-rtrl"), step) for n in names}

    def step(self, model, names, traces, step):
        new, grads = {}, {}
        for name in names:
            way = route(model, name, "d-rtrl")
            new[name], slopes = advance(model, name, way, traces[name], step)
            value = leaf(model, name)
            grads[name] = _contract(step.signals[way.cell], slopes, way, value)
        return new, grads


class EProp(AbstractRule):
    r"""Eligibility propagation: one layer of neurons, recurrent or not, and a leaky readout.

    $$dE/d\theta_j \approx \sum_t L_j^t \, F_\kappa(e_j^t), \quad
    e_j^t = d s_j^t / d\theta_j, \quad L_j^t = \sum_k B_{kj} \, \partial E_t / \partial y_k^t$$

    e is that of `DiagonalRTRL`; $F_\kappa$ is the low-pass filter that the readout is, so its
    memory counts in full. With B the readout's weight (`feedback=None`: symmetric e-prop) the
    gradient is that of backpropagation through time with the recurrent spikes taken as
    given. A fixed `feedback` [outputs, neurons] makes it random e-prop; changed as the
    readout's weight is, adaptive e-prop.
    Bellec et al. 2020, Nat. Commun. 11:3625.
    """

    feedback: Array | None = None

    def init(self, model, names, step):
        hidden = self._hidden(model, names)
        if self.feedback is not None:
            shape = model.layers[-2].weight.shape
            if jnp.shape(self.feedback) != shape:
                raise ValueError(
                    f"online_gradient.feedback must have the shape of the readout's weight, "
                    f"{shape}, got {jnp.shape(self.feedback)}."
                )
        traces = DiagonalRTRL().init(model, names, step)
        readout, width = model.layers[-1], step.signals[len(model.layers) - 3].shape
        count = lambda name: jax.tree.leaves(traces[name])[0].shape[0]
        filtered = {n: readout.init((count(n), *width)) for n in hidden}
        return traces, filtered

    def step(self, model, names, traces, step):
        cell, readout = len(model.layers) - 3, model.layers[-1]
        back = model.layers[-2].weight if self.feedback is None else self.feedback
        signals = {cell: step.signals[-1] @ back, cell + 2: step.signals[-1]}
        (old, filtered), new, grads = traces, {}, {}
        filtered = dict(filtered)
        for name in names:
            way = route(model, name, "eprop")
            new[name], slopes = advance(model, name, way, old[name], step)
            if (
                way.cell == cell
            ):  # the readout is linear: it filters slopes as it does spikes
                filtered[name], slopes = readout.step(filtered[name], slopes, step.dt)
            grads[name] = _contract(signals[way.cell], slopes, way, leaf(model, name))
        return (new, filtered), grads

    def _hidden(self, model, names):
        layers = model.layers
        form = len(layers) >= 3 and isinstance(layers[-1], LeakyIntegrator)
        form = form and isinstance(layers[-2], Linear) and is_cell(layers[-3])
        if not form or any(is_cell(layer) for layer in layers[:-3]):
            raise ValueError(
                "method='eprop' takes one layer of neurons, Linear and LeakyIntegrator as the "
                "last three layers, such as Sequential(Linear, Recurrent(LIF, ...), Linear, "
                "LeakyIntegrator()). Use method='d-rtrl' for other models."
            )
        if layers[-1].tau_m.size != 1:
            raise ValueError(
                f"method='eprop' needs one tau_m for the readout, got "
                f"{layers[-1].tau_m.size}. Use method='d-rtrl'."
            )
        cell = len(layers) - 3
        return [n for n in names if route(model, n, "eprop").cell == cell]


class OTTT(AbstractRule):
    r"""Online training through time: presynaptic traces and backpropagation within the step.

    $$\hat a_t = \lambda \hat a_{t-1} + a_t, \quad
    dE/dW \approx \sum_t (\partial E_t / \partial x_t) \, \hat a_t^T$$

    a is what comes into the layer of weights, x what goes from there into the neurons, and
    $\lambda$ the decay of their v, without a spike, in a step. It leaves out resets, and the
    states of the layers above, and needs one trace an input, not one a weight. Layers of
    weights may be any that have no state (convolutions among them); it is meant for LIF, and
    exact for the last layer of those with detached, subtractive reset and no refractoriness.
    Xiao et al. 2022, NeurIPS.
    """

    def init(self, model, names, step):
        places = {_place(model, n) for n in names}
        for name in names:
            i = _place(model, name)
            if is_cell(model.layers[i]) or step.states[i] != ():
                raise ValueError(
                    f"method='ottt' trains layers of weights without a state, which "
                    f"{name} is not part of. Leave it out of where, or use method='d-rtrl'."
                )
            _decay(model, i, step.dt)
        return {
            i: (jnp.zeros_like(step.inputs[i]), jnp.zeros((), step.inputs[i].dtype))
            for i in sorted(places)
        }

    def step(self, model, names, traces, step):
        new, grads = {}, {}
        for i, (trace, count) in traces.items():
            decay = _decay(model, i, step.dt).astype(trace.dtype)
            trace, count = decay * trace + step.inputs[i], decay * count + 1
            new[i] = trace, count
            own = {n: leaf(model, n) for n in names if _place(model, n) == i}

            # Weighted by `count`, an affine layer answers to the trace with a trace of itself.
            def answer(own, trace=trace, count=count, i=i):
                layer = put(model, own).layers[i]
                return count * layer.step((), trace / count, step.dt)[1]

            (more,) = jax.vjp(answer, own)[1](step.signals[i])
            grads |= more
        return new, grads


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


def _place(model: Sequential, name: str) -> int:
    return int(name.split(".")[1])


def route(model: Sequential, name: str, method: str) -> Route:
    """How the leaf `name` reaches the neurons that remember it; refuses what does not."""
    i, part = _place(model, name), name.split(".", 2)[2]
    layer, above = model.layers[i], model.layers[i + 1 : i + 2]
    if isinstance(layer, Linear) and above and is_cell(above[0]):
        return Route(i + 1, "weight" if part == "weight" else "bias")
    if isinstance(layer, Recurrent) and is_cell(layer) and part == "weight":
        return Route(i, "recurrent")
    if is_cell(layer):
        neuron = layer.neuron if isinstance(layer, Recurrent) else layer
        if np.shape(leaf(model, name)) in ((), (1,), neuron.shape()):
            return Route(i, "own")
    raise ValueError(
        f"method={method!r} trains a Linear right before its neurons, Recurrent.weight and "
        f"parameters of neurons, one value each, which {name} is not. Leave it out of where, "
        "or use method='ottt' for other layers of weights."
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


def advance(model, name, way: Route, trace: Any, step: Step) -> tuple[Any, Array]:
    """The trace after a step, and d output / d leaf [sources, ..., neurons].

    As each neuron depends on its own state and input alone, one tangent a source gives the
    slopes with respect to all weights from there.
    """
    layer, state = model.layers[way.cell], step.states[way.cell]
    memory, rest = _split(layer, state)
    x, own = step.inputs[way.cell], [leaf(model, name)] if way.kind == "own" else []

    def one(memory, x, *own):
        cell = put(model, {name: own[0]}).layers[way.cell] if own else layer
        now = eqx.combine(memory, rest)
        now = state._replace(neuron=now) if isinstance(layer, Recurrent) else now
        after, out = cell.step(now, x, step.dt)
        return _split(layer, after)[0], out

    def source(trace, drive):
        dx = jnp.broadcast_to(drive[..., None], x.shape)
        return jax.jvp(one, (memory, x, *own), (trace, dx, *map(jnp.ones_like, own)))[1]

    return jax.vmap(source)(trace, _drives(name, way, step))


def _contract(signal, slopes, way, value):
    """The sum over the batch of signal times slopes, in the shape of the leaf."""
    if way.kind == "own":  # one value may stand for many neurons
        spread = lambda value: jnp.broadcast_to(value, signal.shape)
        return jax.vjp(spread, value)[1](signal * slopes[0])[0]
    grads = jnp.sum(signal * slopes, tuple(range(1, slopes.ndim - 1)))
    return grads.T if way.kind != "bias" else grads[0]


def _decay(model, i, dt):
    """What is left of v after a step, in the neurons that layer i drives."""
    cell = next((layer for layer in model.layers[i + 1 :] if is_cell(layer)), None)
    if not isinstance(cell, AbstractNeuron) or cell.shape() not in ((), (1,)):
        raise ValueError(
            "method='ottt' needs neurons above every trained layer, with one value of each "
            f"parameter and not Recurrent, got {cell!r}. Use method='d-rtrl'."
        )
    state = cell.init(cell.shape(), dt=dt)
    if set(cell.derivative(state, state.v)) != {"v"}:
        raise ValueError(
            f"method='ottt' needs neurons with no variable but v, got {type(cell).__name__}. "
            "Use method='d-rtrl'."
        )
    step = lambda v: cell.step(state._replace(v=v), jnp.zeros_like(v), dt)[0].v
    return jnp.sum(jax.jvp(step, (state.v,), (jnp.ones_like(state.v),))[1])
