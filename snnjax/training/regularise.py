r"""Regularisers of activity: what keeps hidden neurons from falling silent or firing on.

Each is called as `regulariser(layers)` with the outputs [time, batch, ...] of every part by
name, as `unroll(..., layers=True)` gives them, and returns a scalar to be added to the loss.
"""

import dataclasses
import fnmatch
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics

Names = str | Iterable[str]


def spiking_layers(model: AbstractDynamics) -> tuple[str, ...]:
    """Names of the parts of `model` that spike, in order, as `unroll(..., layers=True)` has them.

    For the `layers` of a regulariser, all of them or without some, such as the readout. A
    container stands for its parts.
    """
    return tuple(_spiking(model, ""))


def _spiking(x: Any, name: str) -> Iterable[str]:
    inside = lambda key: f"{name}.{key}" if name else str(key)
    if isinstance(x, AbstractDynamics):
        if type(x).unroll_all is not AbstractDynamics.unroll_all:  # it has parts with names
            for field in dataclasses.fields(x):
                yield from _spiking(getattr(x, field.name), inside(field.name))
        elif x.spiking:
            yield name
    elif isinstance(x, dict):
        for key, part in x.items():
            yield from _spiking(part, inside(key))
    elif isinstance(x, list | tuple):
        for key, part in enumerate(x):
            yield from _spiking(part, inside(key))


class LowerActivity(eqx.Module):
    r"""Punishes each neuron that fires less than `rate` in a sample.

    $$\sum_l \frac{s}{M_l} \sum_{i=1}^{M_l} \bigl[ \nu - r_i \bigr]_+^2$$

    averaged over the batch, r_i being the rate of neuron i of layer l with M_l neurons
    (Zenke & Vogels 2021, Neural Comput. 33:899, with rates in place of spike counts). A silent
    neuron's gradient reaches the weights through the surrogate, so that it can come back.

    - `rate`: the lower bound, spikes per step; 0.01 at 1 ms is 10 Hz. `strength`: s.
    - `layers`: names or patterns of spiking layers, such as `spiking_layers(model)`.
    """

    rate: Any
    strength: Any
    layers: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, rate: float, strength: float = 1.0, *, layers: Names):
        self.rate, self.strength, self.layers = _settings(self, rate, strength, layers)

    def __call__(self, layers: dict[str, Array]) -> Float[Array, ""]:
        parts = _chosen(layers, self)
        return self.strength * sum(
            jnp.mean(jax.nn.relu(self.rate - x.mean(0)) ** 2) for x in parts
        )


class UpperActivity(eqx.Module):
    r"""Punishes each layer whose neurons fire more than `rate` on average in a sample.

    $$\sum_l s \Bigl[ \frac{1}{M_l} \sum_{i=1}^{M_l} r_i - \nu \Bigr]_+^p$$

    averaged over the batch, r_i being the rate of neuron i of layer l with M_l neurons
    (Zenke & Vogels 2021, Neural Comput. 33:899, with rates in place of spike counts). Single
    neurons may fire more.

    - `rate`: the upper bound, spikes per step; 0.01 at 1 ms is 10 Hz. `strength`: s.
    - `layers`: names or patterns of spiking layers, such as `spiking_layers(model)`.
    - `power`: p, 1 or 2.
    """

    rate: Any
    strength: Any
    layers: tuple[str, ...] = eqx.field(static=True)
    power: int = eqx.field(static=True)

    def __init__(
        self, rate: float, strength: float = 1.0, *, layers: Names, power: int = 2
    ):
        self.rate, self.strength, self.layers = _settings(self, rate, strength, layers)
        self.power = checks.one_of(power, [1, 2], "UpperActivity.power")

    def __call__(self, layers: dict[str, Array]) -> Float[Array, ""]:
        parts = _chosen(layers, self)
        population = [x.mean((0, *range(2, x.ndim))) for x in parts]  # [batch]
        return self.strength * sum(
            jnp.mean(jax.nn.relu(r - self.rate) ** self.power) for r in population
        )


def _settings(regulariser, rate, strength, layers):
    name = type(regulariser).__name__
    checks.at_least(rate, 0, f"{name}.rate", "spikes per step")
    checks.at_least(strength, 0, f"{name}.strength")
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise ValueError(
            f"{name}.layers must name at least one spiking layer, such as 'layers.1'."
        )
    return rate, strength, names


def _chosen(layers: dict[str, Array], regulariser) -> list[Array]:
    what, chosen = f"{type(regulariser).__name__}.layers", set()
    for pattern in regulariser.layers:
        found = fnmatch.filter(layers, pattern)
        if not found:
            raise ValueError(
                f"{what} names {pattern!r}, which is no part of the model."
                f"{checks.nearest(pattern, layers)} It has {', '.join(layers)}."
            )
        chosen |= set(found)
    return [x for name, x in layers.items() if name in chosen]
