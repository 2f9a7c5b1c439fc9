"""Layers wired to each other by name."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics
from snnjax.layers.parts import init_part, named
from snnjax.layers.stateless import as_layer
from snnjax.layers.wiring import (
    Previous,
    Source,
    Wire,
    as_wire,
    check_names,
    execution_order,
    name_of,
    outputs_of,
)

Values = dict[Source, Any]  # what can be read: by name, and by Previous(name)


class GraphState(NamedTuple):
    nodes: dict[str, Any]
    previous: dict[str, Array]  # last outputs of those that `Previous` reads


class Graph(AbstractDynamics[GraphState]):
    r"""Named layers, each of which says what it reads: skips, branches, joins, feedback.

        snn.Graph(
            {
                "current": (snn.Linear(40, 64, key=k1), "input"),
                "hidden": (snn.LIF.from_decay(), ["current", snn.Previous("back")]),
                "back": (snn.Linear(64, 64, key=k2), "hidden"),
                "both": (snn.Linear(104, 10, key=k3), snn.Concatenate("input", "hidden")),
                "readout": (snn.LeakyIntegrator(), "both"),
            },
            output="readout",
        )

    A node reads one name, the sum of a list of names, or `Concatenate(...)` of them along the
    last axis (features); its layer may be None, for the sum or the concatenation itself. The
    order of execution is found. Within a step everything is passed on at once, as in
    `Sequential`; a way back must be `Previous(name)`, the output of the step before, 0 at
    the start. `unroll` runs nodes one after the other over the whole sequence, except those
    that feed back to each other, which advance together step by step.

    - `nodes`: by name, (layer or None, what it reads).
    - `output`: the node whose output is the graph's, or a list of several, whose outputs are
      then a dictionary by name. By default the one node that no other reads.
    - `inputs`: names of several inputs, which then come as a dictionary of arrays by name,
      and `init` gets a dictionary of shapes. By default there is one, called "input".

    Raises `ValueError` for names that are not there, cycles within a step, nodes that no
    output depends on, and inputs of a node whose shapes differ.
    """

    nodes: dict[str, AbstractDynamics | None]
    wires: tuple[tuple[str, Wire], ...] = eqx.field(static=True)
    groups: tuple[tuple[str, ...], ...] = eqx.field(static=True)
    inputs: tuple[str, ...] | None = eqx.field(static=True)
    outputs: str | tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        nodes: Mapping[str, tuple[AbstractDynamics | Callable[[Array], Array] | None, Any]],
        output: str | Sequence[str] | None = None,
        *,
        inputs: Sequence[str] | None = None,
    ):
        self.inputs = None if inputs is None else tuple(inputs)
        layers, wires = {}, {}
        for name, node in nodes.items():
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(
                    f"Graph.nodes must have names without a dot, got {name!r}."
                )
            if name in self._input_names:
                raise ValueError(f"Graph.nodes.{name} has the name of an input.")
            if not isinstance(node, tuple) or len(node) != 2:
                raise ValueError(
                    f"Graph.nodes.{name} must be (layer, what it reads), got {node!r}."
                )
            layer, reads = node
            layers[name] = layer and as_layer(layer, f"Graph.nodes.{name}")
            wires[name] = as_wire(reads, name)
        check_names(wires, self._input_names)
        ends = outputs_of(wires, output)
        self.nodes = layers
        self.groups = execution_order(wires, self._input_names, ends)
        self.wires = tuple(wires.items())
        single = output is None or isinstance(output, str)
        self.outputs = ends[0] if single else tuple(ends)

    @property
    def _input_names(self) -> tuple[str, ...]:
        return ("input",) if self.inputs is None else self.inputs

    @property
    def _previous(self) -> list[str]:
        """The nodes and inputs that some node reads with a delay."""
        sources = [s for _, wire in self.wires for s in wire.sources]
        return list(dict.fromkeys(s.name for s in sources if isinstance(s, Previous)))

    def _named_inputs(self, input: Any) -> dict[str, Any]:
        if self.inputs is None:
            return {"input": input}
        if not isinstance(input, dict) or input.keys() != set(self.inputs):
            got = list(input) if isinstance(input, dict) else type(input).__name__
            raise ValueError(
                f"Graph takes a dictionary with {', '.join(self.inputs)}, got {got}."
            )
        return dict(input)

    def init(self, shape=(), *, key=None, dt=None):
        shapes = {n: tuple(s) for n, s in self._named_inputs(shape).items()}
        order, wires = [name for group in self.groups for name in group], dict(self.wires)
        keys = [None] * len(order) if key is None else jax.random.split(key, len(order))
        leading = next(iter(shapes.values()))[:-1]
        states, taken = {}, {}
        for name, k in zip(order, keys, strict=True):
            taken[name] = _merged_shape(name, wires[name], shapes, leading)
            layer = self.nodes[name]
            states[name], shapes[name] = (), taken[name]
            if layer is not None:
                states[name], shapes[name] = init_part(
                    layer, taken[name], f"Graph.nodes.{name}", key=k, dt=dt
                )
        for name in order:  # again, now that all that is read with a delay is known
            if (found := _merged_shape(name, wires[name], shapes, leading)) != taken[name]:
                raise ValueError(
                    f"Graph.nodes.{name} was to read shape {taken[name]}, but what it reads "
                    f"with a delay makes it {found}: correct Previous.features."
                )
        dtype = model_dtype(self)
        return GraphState(states, {n: jnp.zeros(shapes[n], dtype) for n in self._previous})

    def step(self, state, input, dt):
        """Returns the new state and the output, or outputs by name."""
        values: Values = {**self._named_inputs(input)}
        values |= {Previous(n): y for n, y in state.previous.items()}
        states = {}
        for group in self.groups:
            states |= self._advance(group, state.nodes, values, _step, dt)[0]
        return self._end(state, states, values), self._output(values)

    def unroll(self, state, inputs, dt):
        state, _, outputs = self._sequence(state, inputs, dt, _unroll, _step)
        return state, outputs

    def unroll_all(self, state, inputs, dt):
        state, parts, outputs = self._sequence(state, inputs, dt, _unroll_all, _step_all)
        if isinstance(self.outputs, tuple):
            return state, parts | {"": outputs}
        whole = f"nodes.{self.outputs}"
        last = {n: y for n, y in parts.items() if f"{n}.".startswith(f"{whole}.")}
        return state, {n: y for n, y in parts.items() if n not in last} | last

    def _sequence(self, state, inputs, dt, unrolled, stepped):
        """(new state, outputs of the parts, output): `unrolled` where it may be."""
        values: Values = {**self._named_inputs(inputs)}
        wires, states, parts = dict(self.wires), {}, {}
        for group in self.groups:
            for source in [s for name in group for s in wires[name].sources]:
                if isinstance(source, Previous) and source.name not in group:
                    late = values[source.name]
                    first = state.previous[source.name].astype(late.dtype)
                    values[_key(source)] = jnp.concatenate([first[None], late[:-1]])
            if any(name in wires[name].names for name in group) or len(group) > 1:
                advanced = self._loop(group, state, values, stepped, dt)
            else:
                advanced = self._advance(group, state.nodes, values, unrolled, dt)
            states |= advanced[0]
            parts |= advanced[1]
        last = {n: values[n][-1] for n in self._previous}
        return self._end(state, states, last), parts, self._output(values)

    def _advance(self, group, states, values: Values, run, dt):
        """(new states, outputs of the parts) of `group`; its outputs are put into `values`."""
        wires, new, parts = dict(self.wires), {}, {}
        for name in group:
            x, layer = _merged(wires[name], values), self.nodes[name]
            new[name], inside = (), {"": x}
            if layer is not None:
                new[name], inside = run(layer, states[name], x, dt)
            values[name] = list(inside.values())[-1]
            parts |= named(f"nodes.{name}", inside)
        return new, parts

    def _loop(self, group, state, values: Values, run, dt):
        """As `_advance`, for nodes that feed back to each other: step by step."""
        sources = [_key(s) for n, wire in self.wires if n in group for s in wire.sources]
        outside = [s for s in dict.fromkeys(sources) if name_of(s) not in group]
        back = [s for s in dict.fromkeys(sources) if isinstance(s, Previous)]
        back = [s.name for s in back if s.name in group]

        def body(carry, now):
            states, before = carry
            values = dict(zip(outside, now, strict=True))
            values |= {Previous(n): y for n, y in before.items()}
            states, parts = self._advance(group, states, values, run, dt)
            before = {n: values[n].astype(y.dtype) for n, y in before.items()}
            return (states, before), (OrderedDict(parts), [values[n] for n in group])

        start = {n: state.nodes[n] for n in group}, {n: state.previous[n] for n in back}
        (states, _), (parts, outputs) = jax.lax.scan(
            body, start, [values[s] for s in outside]
        )
        values |= zip(group, outputs, strict=True)
        return states, dict(parts)

    def _end(self, state, states, last: Values) -> GraphState:
        kept = {n: last[n].astype(y.dtype) for n, y in state.previous.items()}
        return GraphState(states, kept)

    def _output(self, values: Values):
        if isinstance(self.outputs, tuple):
            return {name: values[name] for name in self.outputs}
        return values[self.outputs]

    @property
    def spiking(self) -> bool:
        layer = self.nodes[self.outputs] if isinstance(self.outputs, str) else None
        return layer is not None and layer.spiking

    def absorb(self, state):
        nodes = {
            name: layer and layer.absorb(state.nodes[name])
            for name, layer in self.nodes.items()
        }
        return eqx.tree_at(lambda net: net.nodes, self, nodes, is_leaf=lambda x: x is None)


def _step(layer, state, x, dt):
    state, y = layer.step(state, x, dt)
    return state, {"": y}


def _unroll(layer, state, xs, dt):
    state, ys = layer.unroll(state, xs, dt)
    return state, {"": ys}


def _unroll_all(layer, state, xs, dt):
    return layer.unroll_all(state, xs, dt)


def _step_all(layer, state, x, dt):
    state, inside = layer.unroll_all(state, jax.tree.map(lambda x: x[None], x), dt)
    return state, jax.tree.map(lambda y: y[0], OrderedDict(inside))


def _key(source: Source) -> Source:
    return Previous(source.name) if isinstance(source, Previous) else source


def _merged(wire: Wire, values: Values) -> Array:
    xs = [values[_key(source)] for source in wire.sources]
    return jnp.concatenate(xs, axis=-1) if wire.concatenate else sum(xs[1:], xs[0])


def _merged_shape(name, wire: Wire, shapes, leading) -> tuple[int, ...]:
    """The shape that node `name` reads, from those `shapes` known so far."""
    known = [shapes[n] for n in wire.names if n in shapes]
    found = []
    for source in wire.sources:
        if name_of(source) in shapes:
            found.append(shapes[name_of(source)])
        elif isinstance(source, Previous) and source.features is not None:
            found.append((*(known[0][:-1] if known else leading), source.features))
        elif wire.concatenate or not known:
            late = name_of(source)
            raise ValueError(
                f"Graph.nodes.{name} reads Previous({late!r}) before its shape can be "
                f"known: give Previous({late!r}, features=...)."
            )
    own = [shape[:-1] if wire.concatenate else shape for shape in found]
    if len(set(own)) > 1:
        what = "all axes but the last" if wire.concatenate else "shape"
        raise ValueError(
            f"Graph.nodes.{name} reads {', '.join(wire.names)} of shapes {found}: they must "
            f"agree in {what}."
        )
    if not wire.concatenate:
        return found[0]
    return (*found[0][:-1], sum(shape[-1] for shape in found))
