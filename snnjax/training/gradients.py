"""A certificate for gradients: what they are the gradients of, and how well they fit."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics, require_model
from snnjax.core.threshold import relax
from snnjax.core.trainable import Where, trainable
from snnjax.core.unroll import unroll
from snnjax.training.gradient_report import (
    Agreement,
    GradientReport,
    LeafGradient,
    relative,
)
from snnjax.training.losses import rate_cross_entropy
from snnjax.training.regularise import spiking_layers
from snnjax.training.rehearsal import weights_and_biases

EXPLODED = (
    1e3  # from which ratio on gradients are said to explode, or below its inverse vanish
)
Params = dict[str, Array]


def check_gradients(
    model: AbstractDynamics,
    batch: tuple[Any, Any],
    *,
    loss: Callable = rate_cross_entropy,
    dt: float = 1.0,
    key: Any = None,
    where: Where | None = None,
    exact: Callable | None = None,
    tolerance: float = 1e-4,
    directions: int = 8,
) -> GradientReport:
    r"""Hold the gradients that training `model` uses against what they should be: a report.

    For every leaf that `where` names, with g the surrogate gradient of the spiking network:

    1. **Is autodiff right?** The relaxed network (`snn.relax`: spikes are the surrogate's
       smooth step) with resets attached is differentiable as it stands, so that its gradient
       must equal central finite differences: `error` is their relative difference, over every
       coordinate of a leaf with at most `directions` of them, else along that many random
       directions. It is about 1e-7 where all is right; a layer with a wrong hand-written
       gradient shows here. Refractory times, which count down in jumps, can disturb it.
    2. **Is `unroll` right?** g against the same through `step` in a loop: `stepwise`, about
       1e-14. NaN where a part takes sequences only, such as `BatchNorm` in training.
    3. **How good is the surrogate?** Cosine and norm ratio of g to the gradient of the
       smoothed loss (1, by finite differences where they cover the leaf): `spiking`. They are
       not 1, as spikes are not their relaxation; a cosine near 0 or below says that the
       surrogate is too narrow, too wide or the network too deep for it. `relaxed` is the same
       of the relaxed network as trained: exactly 1 with `detach_reset=False`; what it lacks
       is what detaching takes away. The relaxation's slope has area 1: a surrogate that is not
       normalised to area 1 scales `spiking` by its area, once for each layer in between.
    4. **Against the truth.** `exact(model, batch)` may give exact gradients, such as those
       through spike times, as arrays by name of leaf, for some or all; `exact` compares.

    Problems, which make `.ok` false: an `error` or `stepwise` above `tolerance`, a gradient
    that is not finite, leaves without any gradient, spiking layers without a spike. Warnings:
    gradients that explode or vanish from the last layer to the first (`depth`, rms of the
    first and last trained weight) or over time (`growth`, gradient to the inputs).

    - `batch`: (inputs [time, batch, ...], targets), a small one. `loss(outputs, targets)`.
    - `dt`: ms. `key`: for stochastic parts, which draw the same each time.
    - `where`: as in `fit`; by default its default, weights and biases.

    All of it runs in float64, whatever the session uses.
    """
    require_model(model, "check_gradients.model")
    checks.count(directions, "check_gradients.directions")
    with jax.enable_x64(True):
        inputs, targets = (jax.tree.map(jnp.asarray, part) for part in batch)
        inputs = jax.tree.map(lambda x: x.astype(jnp.float64), inputs)
        model, targets = _double((model, targets))
        chosen = weights_and_biases(model) if where is None else where
        # Gradients are those to the leaves themselves, not to what a constraint makes of them.
        params, build = trainable(model, chosen, constraints={"*": None})

        known = {} if exact is None else exact(model, (inputs, targets))
        for name in known.keys() - params.keys():
            raise ValueError(
                f"check_gradients.exact gives {name!r}, which is not among the leaves checked."
                f"{checks.nearest(name, params)} They are {', '.join(params)}."
            )

        def loss_of(change, run):
            def total(params, inputs):
                return loss(run(change(build(params)), inputs, dt, key), targets)

            return total

        grad = lambda change, run=_unrolled: jax.jit(
            jax.grad(loss_of(change, run), argnums=(0, 1))
        )(params, inputs)
        as_it_is = lambda model: model
        surrogate, to_inputs = grad(as_it_is)
        relaxed, _ = grad(relax)
        smooth, _ = grad(lambda model: _attached(relax(model)))
        try:
            stepped, _ = grad(as_it_is, _stepped)
        except ValueError:  # of a part that takes sequences only
            stepped = None
        value = jax.jit(loss_of(lambda model: _attached(relax(model)), _unrolled))
        found = _finite_differences(lambda p: value(p, inputs), params, smooth, directions)
        leaves = {
            name: LeafGradient(
                size=g.size,
                norm=float(jnp.linalg.norm(g)),
                spiking=Agreement.of(g, found[name][1]),
                relaxed=Agreement.of(relaxed[name], found[name][1]),
                error=found[name][0],
                stepwise=np.nan if stepped is None else relative(g - stepped[name], g),
                exact=Agreement.of(g, known[name]) if name in known else None,
            )
            for name in params
            for g in [surrogate[name]]
        }
        run = eqx.filter_jit(lambda m, x: unroll(m, x, dt, key=key, layers=True).layers)
        outputs = run(model, inputs)
        rates = {name: float(outputs[name].mean()) for name in spiking_layers(model)}
    depth, growth = _depth([surrogate[name] for name in params]), _growth(to_inputs)
    problems, warnings = _judge(leaves, rates, depth, growth, tolerance)
    return GradientReport(leaves, rates, depth, growth, problems, warnings)


class _Stepwise(AbstractDynamics):
    """A model whose `unroll` is the inherited one: `step` in a loop."""

    model: AbstractDynamics

    def init(self, shape=(), *, key=None, dt=None):
        return self.model.init(shape, key=key, dt=dt)

    def step(self, state, input, dt):
        return self.model.step(state, input, dt)


def _unrolled(model, inputs, dt, key):
    return unroll(model, inputs, dt, key=key).outputs


def _stepped(model, inputs, dt, key):
    return _unrolled(_Stepwise(model), inputs, dt, key)


def _double(tree: Any) -> Any:
    wide = lambda x: x.astype(jnp.float64) if eqx.is_inexact_array(x) else x
    return jax.tree.map(wide, tree)


def _attached(model: Any) -> Any:
    """`model` with gradients through all its resets."""
    resets = lambda x: isinstance(x, AbstractDynamics) and hasattr(x, "detach_reset")
    attach = lambda x: dataclasses.replace(x, detach_reset=False) if resets(x) else x
    return jax.tree.map(attach, model, is_leaf=resets)


def _finite_differences(
    value: Callable[[Params], Array], params: Params, grads: Params, directions: int
) -> dict[str, tuple[float, Array]]:
    """By leaf: relative error of `grads`, and the gradient, of differences if they cover it."""
    eps, size = float(jnp.finfo(jnp.float64).eps), abs(float(value(params)))
    random, found = np.random.default_rng(0), {}
    for name, x in params.items():
        covered = x.size <= directions
        ways = np.eye(x.size) if covered else random.normal(size=(directions, x.size))
        step = eps ** (1 / 3) * (float(jnp.sqrt(jnp.mean(x**2))) or 1.0)

        def along(way, distance, name=name, x=x):
            return float(value(params | {name: x + distance * way.reshape(x.shape)}))

        slopes = [(along(way, step) - along(way, -step)) / (2 * step) for way in ways]
        expected = ways @ np.ravel(grads[name])
        # Below this, differences of the loss drown in its rounding.
        resolved = 1e5 * eps * size / step
        error = np.linalg.norm(slopes - expected) / max(np.linalg.norm(expected), resolved)
        own = np.reshape(slopes, x.shape) if covered else grads[name]
        found[name] = float(error), own
    return found


def _depth(gradients: list[Array]) -> float:
    rms = [np.sqrt(np.mean(np.square(g))) for g in gradients if g.ndim > 1]
    return _ratio(rms[0], rms[-1]) if rms else np.nan


def _growth(to_inputs: Any) -> float:
    square = lambda g: np.square(np.asarray(g)).reshape(len(g), -1).sum(1)
    squares = sum(square(g) for g in jax.tree.leaves(to_inputs))
    quarter = max(len(squares) // 4, 1)
    return _ratio(squares[:quarter].sum() ** 0.5, squares[-quarter:].sum() ** 0.5)


def _ratio(a: float, b: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(a) / np.float64(b))


def _judge(leaves, rates, depth, growth, tolerance):
    problems, warnings = [], []
    for name, x in leaves.items():
        if not np.isfinite(x.norm):
            problems.append(
                f"{name}: the gradient is not finite. Fewer steps, smaller weights or "
                "detach_reset=True keep it from overflowing."
            )
        elif x.norm == 0:
            problems.append(
                f"{name} is dead: its gradient is 0. Raise the gain of the weights or lower "
                "the threshold, so that neurons come near it, widen the surrogate, or leave "
                "it out of where."
            )
        if not x.error <= tolerance:
            problems.append(
                f"{name}: autodiff is off by {x.error:.2g} from finite differences of the "
                "relaxed network. Look for a wrong custom_vjp or custom_jvp, a stop_gradient, "
                "or a step that jumps, such as a refractory time."
            )
        if x.stepwise > tolerance:
            problems.append(
                f"{name}: the gradient of unroll is off by {x.stepwise:.2g} from that of step "
                "after step. Look for a layer whose unroll does not do what its step does."
            )
        if x.spiking.cosine < 0:
            warnings.append(
                f"{name}: the surrogate gradient points away from that of the smoothed loss. "
                "Try another width of the surrogate."
            )
    for name, rate in rates.items():
        if rate == 0:
            problems.append(
                f"{name} is dead: no neuron of it fires. Raise the gain of the weights before "
                "it, lower its threshold, or add LowerActivity to the loss."
            )
    for which, ratio, remedy in (
        ("from the last layer to the first", depth, "Normalise layers, or adapt the gain"),
        ("from the end back to the start", growth, "Scale recurrent weights and leaks"),
    ):
        if ratio > EXPLODED:
            warnings.append(
                f"Gradients explode {which}, {ratio:.2g} times. {remedy}, use a wider or "
                "lower surrogate, detach resets, and clip by optax.clip_by_global_norm."
            )
        elif ratio < 1 / EXPLODED:
            warnings.append(
                f"Gradients vanish {which}, {ratio:.2g} times. {remedy}, or use a wider "
                "surrogate."
            )
    return tuple(problems), tuple(warnings)
