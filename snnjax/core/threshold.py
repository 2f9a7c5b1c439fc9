"""Where a neuron spikes, what gradient the spike has, and what a reset does with it."""

import dataclasses
from typing import Any, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import as_float
from snnjax.core.parameters import check_parameters, parameter
from snnjax.core.surrogates import AbstractSurrogate, SuperSpike

M = TypeVar("M")
ResetMode = Literal["value", "subtract", "none"]


class Threshold(eqx.Module):
    """1.0 where v >= level and 0.0 elsewhere; backward, the slope of the surrogate.

    - `level`: mV, or the unit of the model's v; one value, or one a neuron.
    - `surrogate`: what the gradient of a spike is.
    - `smooth`: let the spike itself be the surrogate's relaxation, between 0 and 1. The
      network is then differentiable as it stands; see `relax`.
    """

    level: Float[Array, "..."] = parameter(unit="mV")
    surrogate: AbstractSurrogate = eqx.field(default_factory=SuperSpike)
    smooth: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, v: Float[Array, "*n"], level=None) -> Float[Array, "*n"]:
        """Spikes of `v`; `level` replaces the threshold's own where that moves."""
        x = v - (self.level if level is None else level)
        if self.smooth:
            return self.surrogate.relaxed(x)
        return _spike(x, self.surrogate)


def as_threshold(x: Any) -> Any:
    """`Threshold(x)` of a number or an array; all else as it is, for its owner to refuse."""
    if isinstance(x, Threshold):
        return x
    try:
        level = as_float(x)
    except (TypeError, ValueError):
        return x
    return Threshold(level)


@eqx.filter_custom_jvp
def _spike(x, surrogate):
    del surrogate
    return (x >= 0).astype(x.dtype)


@_spike.def_jvp
def _spike_jvp(primals, tangents):
    x, surrogate = primals
    spikes = _spike(x, surrogate)
    if tangents[0] is None:
        return spikes, jnp.zeros_like(spikes)
    return spikes, surrogate.slope(x).astype(x.dtype) * tangents[0]


def relax(model: M, smooth: bool = True) -> M:
    """`model` with every `Threshold` in it replaced by its relaxation, and spikes in 0 .. 1.

    The smoothed network is what a surrogate gradient is the gradient of where resets are
    not detached and surrogates are normalised to area 1; finite differences can check it.
    """

    def swap(node: Any) -> Any:
        if isinstance(node, Threshold):
            return dataclasses.replace(node, smooth=smooth)
        return node

    return jax.tree.map(swap, model, is_leaf=lambda node: isinstance(node, Threshold))


def upward_crossing(before, after, level) -> Float[Array, "*n"]:
    """1.0 where before < level <= after: the spike of a model without reset.

    It carries no gradient: differentiate voltages or interpolated crossing times instead.
    """
    spikes = ((before < level) & (after >= level)).astype(jnp.result_type(after))
    return jax.lax.stop_gradient(spikes)


def mix(spikes, fired, silent):
    """`fired` where spikes is 1, `silent` where it is 0, exactly; in between, the mixture."""
    between = silent + spikes * (fired - silent)
    return jnp.where(spikes == 1, fired, jnp.where(spikes == 0, silent, between))


mix_attached = jax.custom_jvp(mix)  # the same, with a gradient to `spikes` at 0 and 1 too


@mix_attached.defjvp
def _mix_jvp(primals, tangents):
    s, fired, silent = primals
    ds, dfired, dsilent = tangents
    return mix(s, fired, silent), ds * (fired - silent) + mix(s, dfired, dsilent)
