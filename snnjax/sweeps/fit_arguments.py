"""What a fit of parameters is asked for, checked."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.trainable import Bounded, Constraint, Positive, named_leaves
from snnjax.sweeps.bind import Bound
from snnjax.sweeps.least_squares import Problem


def start_values(start: Any, model: Any) -> dict[str, Array]:
    """By name; names alone are looked up in `model`."""
    if not isinstance(start, Mapping):
        names = [start] if isinstance(start, str) else list(start)
        leaves = {} if model is None else named_leaves(model)
        for name in names:
            if name not in leaves:
                raise ValueError(
                    f"fit_parameters.start names {name!r} without a value, which is no float "
                    f"leaf of the model.{checks.nearest(name, leaves)} Give {{name: value}}."
                )
        start = {n: leaves[n] for n in names}
    if not start:
        raise ValueError("fit_parameters.start must name at least one parameter.")
    return {n: checks.finite(x, f"fit_parameters.start[{n!r}]") for n, x in start.items()}


def rules_of(bound: Bound, values: dict, asked: Mapping[str, Any]) -> dict[str, Constraint]:
    """The bounds of each parameter that has some."""
    given: dict[str, Any] = {
        n: (p.above if p.above is not None else p.at_least, p.at_most)
        for n, p in bound.specs.items()
    }
    for name in asked:
        checks.one_of(name, values, "A name in fit_parameters.bounds")
    rules = {n: _rule(x, n) for n, x in {**given, **asked}.items()}
    rules = {n: rule for n, rule in rules.items() if rule is not None}
    for name, rule in rules.items():
        if not bool(jnp.isfinite(rule.free(values[name])).all()):
            raise ValueError(
                f"fit_parameters.start: {name}={values[name]} must be inside its bounds, "
                f"{rule}. Start inside, or give other bounds."
            )
    return rules


def _rule(bounds: Any, name: str) -> Constraint | None:
    if bounds is None or isinstance(bounds, Bounded | Positive):
        return bounds
    try:
        low, high = bounds
        if high is None:
            return None if low is None else Positive(float(low))
        if float(low) < float(high):
            return Bounded(float(low), float(high))
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"fit_parameters.bounds[{name!r}] must be (low, high) with low below high, (low, None) "
        f"or None, got {bounds!r}."
    )


def with_data(problem: Problem, values, data, noise) -> tuple[Problem, int]:
    """The problem with the data in it, once they fit what is predicted."""
    data = jax.tree.map(checks.as_float, data)
    predicted = eqx.filter_eval_shape(lambda x: problem.predict(x, problem.key), values)
    measured = sum(int((~jnp.isnan(x)).sum()) for x in jax.tree.leaves(data))
    if problem.compare is not None:
        if noise is not None:
            raise ValueError(
                "fit_parameters.noise does nothing where residual= is given, whose result is "
                "in units of the noise: leave it out."
            )
        problem = eqx.tree_at(lambda p: p.data, problem, data, is_leaf=lambda x: x is None)
        return problem, eqx.filter_eval_shape(problem.residuals, values).size
    shapes = jax.tree.map(lambda x: x.shape, (predicted, data))
    if shapes[0] != shapes[1] or jax.tree.structure(predicted) != jax.tree.structure(data):
        raise ValueError(
            f"fit_parameters.data must have the shape of what predict returns, {shapes[0]}, "
            f"got {shapes[1]}."
        )
    if not measured:
        raise ValueError("fit_parameters.data holds no number, only NaN or nothing.")
    noise = 1.0 if noise is None else noise
    if jax.tree.structure(noise) != jax.tree.structure(data):
        noise = jax.tree.map(lambda _: noise, data)
    noise = jax.tree.map(
        lambda x, d: jnp.broadcast_to(
            checks.positive(x, "fit_parameters.noise"), d.shape
        ).astype(d.dtype),
        *(noise, data),
    )
    none = lambda x: x is None
    where = lambda p: (p.data, p.noise)
    return eqx.tree_at(where, problem, (data, noise), is_leaf=none), measured


def start_points(values, rules, n: int, spread: float, key) -> dict[str, Array]:
    """`n` values of each parameter, stacked, the first those of the start."""
    stacked = {name: x[None] for name, x in values.items()}
    if n == 1:
        return stacked
    from scipy.stats import qmc

    seed = int(jax.random.bits(key))
    size = sum(x.size for x in values.values())
    unit = qmc.LatinHypercube(size, rng=seed).random(n - 1)
    columns = iter(np.split(unit, np.cumsum([x.size for x in values.values()])[:-1], 1))
    for name, x in values.items():
        low, high = _range(name, np.asarray(x), rules.get(name), spread)
        drawn = low + (high - low) * next(columns).reshape(n - 1, *x.shape)
        stacked[name] = jnp.concatenate([stacked[name], drawn.astype(x.dtype)])
    return stacked


def _range(name, x, rule, spread):
    if isinstance(rule, Bounded):
        return rule.low, rule.high
    if (x == 0).any():
        raise ValueError(
            f"fit_parameters.bounds needs (low, high) of {name}: it starts at 0, so that "
            "nothing says how far from it other starts may lie."
        )
    low, high = x - spread * abs(x), x + spread * abs(x)
    # Above its bound by as much of the way as the start is.
    return (low, high) if rule is None else (np.maximum(low, (x + rule.bound) / 2), high)
