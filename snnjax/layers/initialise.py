"""Weights to start from with which deep networks fire: neither silent nor saturated."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.neuron import AbstractFiringNeuron
from snnjax.core.trainable import named_leaves
from snnjax.core.unroll import unroll
from snnjax.layers.parts import part_at

M = TypeVar("M", bound=AbstractDynamics)

_OCTAVES = 12  # how far the search goes to either side, in powers of 2


def fluctuation_gain(
    neuron: AbstractFiringNeuron,
    rate: float,
    dt: float = 1.0,
    *,
    xi: float = 1.0,
    n_steps: int = 1000,
) -> Float[Array, ""]:
    r"""The `gain` of a layer's weights with which fluctuations carry v to the threshold.

    n inputs, of which each fires in a step with probability p, independently, come through
    weights from N(0, (gain / sqrt(n))^2). Over neurons and time the membrane without resets
    then has its resting potential as mean, and a standard deviation of 1 / xi of the way from
    there to the threshold, where

    $$gain = \frac{\theta - v_{rest}}
    {\xi \sqrt{p (1 - p) \sum_k \epsilon_k^2 + p^2 (\sum_k \epsilon_k)^2}}$$

    and epsilon_k is v, k steps after an input of 1 for one step. The first term is the
    fluctuation-driven initialisation of Rossbroich, Gygax & Zenke 2022 (Neuromorph. Comput.
    Eng. 2:044016) for a mean of 0; the second, of order p, is what neurons differ by as their
    weights do not sum to 0, and is left out there.

    - `neuron`: fires at a fixed threshold; its response is taken at rest.
    - `rate`: p, spikes per step and input. `dt`: ms. `xi`: usually 1 to 3.
    - `n_steps`: after which the response is taken to have decayed.
    """
    p = checks.at_most(
        checks.positive(rate, "fluctuation_gain.rate"), 1, "fluctuation_gain.rate"
    )
    spread = checks.positive(xi, "fluctuation_gain.xi")
    if not isinstance(neuron, AbstractFiringNeuron):
        raise ValueError(
            f"fluctuation_gain.neuron must fire at a threshold, got {neuron!r}."
        )
    rest = neuron.init((), dt=dt)
    if jnp.ndim(rest.v):
        raise ValueError(
            f"fluctuation_gain.neuron must be one neuron, got parameters of {rest.v.shape}."
        )

    def trace(size):
        inputs = jnp.zeros(n_steps, rest.v.dtype).at[0].set(size)

        def body(state, x):
            state, _ = neuron.step(state, x, dt)
            return state, state.v

        return jax.lax.scan(body, rest, inputs)[1]

    zero = jnp.zeros((), rest.v.dtype)
    _, response = jax.jvp(trace, (zero,), (jnp.ones_like(zero),))
    variance = p * (1 - p) * jnp.sum(response**2) + (p * jnp.sum(response)) ** 2
    return (neuron.level(rest) - rest.v) / (spread * jnp.sqrt(variance))


def initialise(
    model: M,
    inputs: Any,
    dt: float = 1.0,
    *,
    rate: float | None = None,
    rate_hz: float | None = None,
    key: Any = None,
) -> M:
    r"""`model` with its weights rescaled until each spiking layer fires at a given rate.

    The rule: from the first spiking layer to the last, the weights before it are multiplied
    by the one factor that brings its mean rate over time, batch and neurons, for these very
    `inputs`, to the target. Directions of weights stay; biases, thresholds and recurrent
    weights are not touched. It does for rates what layer-sequential unit-variance
    initialisation does for variances (Mishkin & Matas 2016, ICLR); as the membrane's
    fluctuations then reach the threshold in every layer alike, gradients do as well.

    "The weights before it" are those named `weight` of the last part that has any, among the
    parts that `unroll_all` names between the spiking layer before it and itself: a linear, a
    convolution, a normalisation. A layer without any in between is left as it is.

    - `inputs`: [time, batch, ...], typical of the data: a few hundred samples are plenty.
    - `dt`: ms.
    - `rate`: target, spikes per step, 0.1 by default; or `rate_hz`, the same in Hz.
    - `key`: for layers that draw, such as dropout; they draw the same at every trial.

    The factor is found to 0.1 % between 2^-12 and 2^12, with one compilation for all. Raises
    `ValueError` where no factor does, as weights of both signs seldom reach above 0.5 per
    step, and refractoriness allows no more than dt / (t_ref + dt).
    """
    require_model(model, "initialise.model")
    target = _target(rate, rate_hz, dt)
    from scipy.optimize import brentq

    layers = eqx.filter_eval_shape(
        lambda net, x: list(unroll(net, x, dt, key=key, layers=True).layers.items()),
        model,
        inputs,
    )
    names = [name for name, _ in layers]
    pairs = _pairs(model, names)
    if not pairs:
        raise ValueError(
            "initialise.model has no spiking layer with weights before it, among "
            f"{', '.join(names)}."
        )
    for which, (name, weights) in enumerate(pairs):
        excess = lambda exponent: float(
            _rate(model, inputs, dt, key, pairs, which, exponent) - target  # noqa: B023
        )
        low, high = excess(-_OCTAVES), excess(_OCTAVES)
        if not low < 0 < high:
            raise ValueError(
                f"initialise cannot bring {name} to {target:g} spikes per step: with "
                f"{', '.join(weights)} between 2^-{_OCTAVES} and 2^{_OCTAVES} of their size "
                f"it fires {low + target:.3g} to {high + target:.3g} per step. Ask for another "
                "rate, or look at its bias, its threshold and its inputs (`activity_report`)."
            )
        exponent = brentq(excess, -_OCTAVES, _OCTAVES, xtol=1e-3)
        model = _scaled(model, dict.fromkeys(weights, 2.0**exponent))
    return model


def _target(rate, rate_hz, dt) -> float:
    if rate is not None and rate_hz is not None:
        raise ValueError("initialise takes rate or rate_hz, not both.")
    if rate_hz is not None:
        return float(checks.positive(rate_hz, "initialise.rate_hz", "Hz") * dt / 1000)
    return float(checks.positive(0.1 if rate is None else rate, "initialise.rate"))


def _pairs(model, names: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(spiking part, the weights before it) in order, by name."""
    leaves, pairs, before = named_leaves(model), [], ()
    for name in names:
        if getattr(part_at(model, name), "spiking", False):
            if before:
                pairs.append((name, before))
            before = ()
        elif name and not any(other.startswith(f"{name}.") for other in names):
            own = [n for n in leaves if n.startswith(f"{name}.")]
            before = tuple(n for n in own if n.split(".")[-1] == "weight") or before
    return tuple(pairs)


def _scaled(model, factors: dict[str, Any]):
    def one(path, x):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        return (x * factors[name]).astype(x.dtype) if name in factors else x

    return jax.tree_util.tree_map_with_path(one, model)


def _rate(model, inputs, dt, key, pairs, which: int, exponent: float) -> Array:
    """Rate of the spiking layer of pair `which` with its weights 2^exponent as large."""
    factors = np.ones(len(pairs))
    factors[which] = 2.0**exponent
    return _rates(model, inputs, dt, key, pairs, factors)[which]


@eqx.filter_jit  # one compilation for all layers
def _rates(model, inputs, dt, key, pairs, factors) -> Array:
    """Spikes per step of every spiking layer of `pairs`, its weights times its factor."""
    factors = dict(zip([weights for _, weights in pairs], factors, strict=True))
    factors = {name: x for weights, x in factors.items() for name in weights}
    trial = unroll(_scaled(model, factors), inputs, dt, key=key, layers=True)
    return jnp.stack([trial.layers[name].mean() for name, _ in pairs])
