"""Layers one after the other."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array

from snnjax.core.base import AbstractDynamics
from snnjax.layers.stateless import as_layer, output_shape


class Sequential(AbstractDynamics[tuple[Any, ...]]):
    """A feed-forward stack: each layer's output is the next one's input, within the step.

    `unroll` runs layer after layer over the whole sequence, which is the same numbers to
    rounding and much faster than `step` after `step`, as weights become one product over
    time.

    - `layers`: models that keep the contract, neurons among them; a layer of equinox.nn or a
      function stands for `Stateless` of it.
    """

    layers: tuple[AbstractDynamics, ...]

    def __init__(self, *layers: AbstractDynamics | Callable[[Array], Array]):
        if not layers:
            raise ValueError("Sequential needs at least one layer.")
        self.layers = tuple(
            as_layer(layer, f"Sequential.layers.{i}") for i, layer in enumerate(layers)
        )

    def init(self, shape=(), *, key=None, dt=None):
        keys = (
            [None] * len(self.layers)
            if key is None
            else jax.random.split(key, len(self.layers))
        )
        states = []
        for i, (layer, k) in enumerate(zip(self.layers, keys, strict=True)):
            try:
                # What has sizes of its own takes batch axes alone.
                state = layer.init(shape[:-1] if layer.sized else shape, key=k, dt=dt)
            except ValueError as error:
                raise ValueError(f"Sequential.layers.{i}: {error}") from error
            shape = output_shape(layer, state, shape, dt)
            states.append(state)
        return tuple(states)

    def step(self, state, input, dt):
        """Returns the new states, one a layer, and the last layer's output."""
        new = []
        for layer, s in zip(self.layers, state, strict=True):
            s, input = layer.step(s, input, dt)
            new.append(s)
        return tuple(new), input

    def unroll(self, state, inputs, dt):
        state, outputs = self.unroll_all(state, inputs, dt)
        return state, list(outputs.values())[-1]

    def unroll_all(self, state, inputs, dt):
        new, outputs = [], {}
        for i, (layer, s) in enumerate(zip(self.layers, state, strict=True)):
            s, inside = layer.unroll_all(s, inputs, dt)
            new.append(s)
            outputs |= {f"layers.{i}.{name}".rstrip("."): x for name, x in inside.items()}
            inputs = list(inside.values())[-1]
        return tuple(new), outputs

    @property
    def spiking(self) -> bool:
        return self.layers[-1].spiking

    def absorb(self, state):
        layers = [layer.absorb(s) for layer, s in zip(self.layers, state, strict=True)]
        return eqx.tree_at(lambda net: net.layers, self, tuple(layers))
