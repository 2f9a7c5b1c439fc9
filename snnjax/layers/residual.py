"""A shortcut around a layer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array

from snnjax.core.base import AbstractDynamics
from snnjax.layers.parts import init_part, named
from snnjax.layers.stateless import as_layer

Layer = AbstractDynamics | Callable[[Array], Array]


class ResidualState(NamedTuple):
    inner: Any
    shortcut: Any  # () where the shortcut is the identity


class Residual(AbstractDynamics[ResidualState]):
    r"""A layer and a way around it: $y = \mathrm{inner}(x) + \mathrm{shortcut}(x)$.

    Both see the input of the same step. Where both are spikes, y counts them (0, 1, 2; the
    sum of Fang et al. 2021, NeurIPS 34:21056), so that the whole is not `spiking`; for spikes
    that stay 0 or 1, add before the neuron instead.

    - `inner`: a layer or a stack. `shortcut`: another one, such as a `Linear` that changes the
      number of features; None is the identity. Both must give outputs of the same shape.
    """

    inner: AbstractDynamics
    shortcut: AbstractDynamics | None

    def __init__(self, inner: Layer, shortcut: Layer | None = None):
        self.inner = as_layer(inner, "Residual.inner")
        self.shortcut = (
            None if shortcut is None else as_layer(shortcut, "Residual.shortcut")
        )

    def init(self, shape=(), *, key=None, dt=None):
        keys = [None, None] if key is None else jax.random.split(key)
        inner, out = init_part(self.inner, shape, "Residual.inner", key=keys[0], dt=dt)
        shortcut, around = (), tuple(shape)
        if self.shortcut is not None:
            shortcut, around = init_part(
                self.shortcut, shape, "Residual.shortcut", key=keys[1], dt=dt
            )
        if out != around:
            raise ValueError(
                f"Residual.inner gives outputs of shape {out} and its shortcut of {around}: "
                "they are added and must agree. Give a shortcut, such as a Linear, that "
                "changes the shape."
            )
        return ResidualState(inner, shortcut)

    def step(self, state, input, dt):
        """Returns the new state and the sum of both outputs."""
        return self._added("step", state, input, dt)

    def unroll(self, state, inputs, dt):
        return self._added("unroll", state, inputs, dt)

    def _added(self, method, state, x, dt):
        inner, y = getattr(self.inner, method)(state.inner, x, dt)
        shortcut, around = (), x
        if self.shortcut is not None:
            shortcut, around = getattr(self.shortcut, method)(state.shortcut, x, dt)
        return ResidualState(inner, shortcut), y + around

    def unroll_all(self, state, inputs, dt):
        inner, inside = self.inner.unroll_all(state.inner, inputs, dt)
        outputs, y = named("inner", inside), list(inside.values())[-1]
        shortcut, around = (), inputs
        if self.shortcut is not None:
            shortcut, inside = self.shortcut.unroll_all(state.shortcut, inputs, dt)
            around = list(inside.values())[-1]
            outputs |= named("shortcut", inside)
        return ResidualState(inner, shortcut), outputs | {"": y + around}

    def absorb(self, state):
        inner = self.inner.absorb(state.inner)
        model = eqx.tree_at(lambda net: net.inner, self, inner)
        if self.shortcut is None:
            return model
        shortcut = self.shortcut.absorb(state.shortcut)
        return eqx.tree_at(lambda net: net.shortcut, model, shortcut)
