"""Which leaves of a model an optimiser may change, and within which bounds."""

import fnmatch
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.parameters import parameters

Where = str | Iterable[str] | Callable[[Any], Any]


class Positive(eqx.Module):
    """Keeps a value above `bound`; the optimiser moves the logarithm of the distance."""

    bound: float = eqx.field(default=0.0, static=True)

    def free(self, value: Array) -> Array:
        """The unconstrained number that stands for `value`."""
        return jnp.log(value - self.bound)

    def bounded(self, free: Array) -> Array:
        """The value that the unconstrained number `free` stands for."""
        # Rounding must not carry it onto the bound itself.
        tiny = jnp.finfo(free.dtype).tiny
        return self.bound + jnp.maximum(jnp.exp(free), tiny + abs(self.bound) * 1e-6)


class Bounded(eqx.Module):
    """Keeps a value between `low` and `high`; the optimiser moves its logit."""

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __check_init__(self):
        if not self.low < self.high:
            raise ValueError(
                f"Bounded.low={self.low} must be below Bounded.high={self.high}."
            )

    def free(self, value: Array) -> Array:
        """The unconstrained number that stands for `value`."""
        x = (value - self.low) / (self.high - self.low)
        return jnp.log(x) - jnp.log1p(-x)

    def bounded(self, free: Array) -> Array:
        """The value that the unconstrained number `free` stands for."""
        value = self.low + (self.high - self.low) * jax.nn.sigmoid(free)
        # Where the sigmoid saturates, a bound would be reached and never left.
        low, high = np.array([self.low, self.high], free.dtype)
        tiny = jnp.finfo(free.dtype).tiny
        lowest = max(np.nextafter(low, high), low + tiny)
        return jnp.clip(value, lowest, min(np.nextafter(high, low), high - tiny))


Constraint = Positive | Bounded


class Trainable(NamedTuple):
    """What `trainable` returns: `params` for the optimiser, `build(params)` for the model."""

    params: dict[str, Array]
    build: Callable[[dict[str, Array]], Any]


def trainable(
    model: Any, where: Where, *, constraints: dict[str, Constraint | None] | None = None
) -> Trainable:
    """Choose the leaves of `model` that an optimiser may change.

    - `where`: names of leaves ("tau_m", "layers.0.weight"), patterns ("*weight"), a list of
      either, or a function of the model that gives the leaf or leaves.
    - `constraints`: by name or pattern, `Positive()`, `Bounded(low, high)` or None. Parameters
      declared with a lower bound are `Positive(bound)`, those with two `Bounded`, unless said
      otherwise here.

    Returns `(params, build)`: a dictionary by name of unconstrained arrays, which any optax
    optimiser updates, and the function that puts them back into the model. All other leaves
    are not in `params` and so stay as they are, also under weight decay.

        params, build = trainable(net, ["*weight", "*tau_m"])
        loss = lambda params: error(build(params))
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)

    Raises `ValueError` for a name that is not there, a leaf that is no float array, and a
    value outside its bounds.
    """
    leaves = named_leaves(model)
    names = _names(model, leaves, where)
    rules = _constraints(model, leaves, names, constraints or {})
    for name in names:
        value = leaves[name]
        if name in rules and not checks.is_traced(value):
            free = rules[name].free(value)
            if not bool(jnp.isfinite(free).all()):
                raise ValueError(
                    f"{name} must start inside its constraint {rules[name]}, got {value}."
                )
    params = {n: rules[n].free(leaves[n]) if n in rules else leaves[n] for n in names}

    def build(params: dict[str, Array]) -> Any:
        if params.keys() != set(names):
            raise ValueError(f"params must hold {sorted(names)}, got {sorted(params)}.")
        values = {n: rules[n].bounded(x) if n in rules else x for n, x in params.items()}
        put = lambda path, x: values.get(_name(path), x)
        return jax.tree_util.tree_map_with_path(put, model)

    return Trainable(params, build)


def named_leaves(model: Any) -> dict[str, Array]:
    """The float arrays of `model` by dotted name, such as "layers.0.weight"."""
    return {
        _name(path): x
        for path, x in jax.tree_util.tree_leaves_with_path(model)
        if eqx.is_inexact_array(x)
    }


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _match(pattern: str, leaves: Iterable[str], what: str) -> list[str]:
    found = [n for n in leaves if fnmatch.fnmatchcase(n, pattern)]
    if not found:
        raise ValueError(
            f"{what} names {pattern!r}, which is no float leaf of the model."
            f"{checks.nearest(pattern, leaves)} It has {', '.join(leaves)}."
        )
    return found


def _names(model: Any, leaves: dict[str, Array], where: Where) -> list[str]:
    if callable(where):
        chosen = eqx.tree_at(
            where, jax.tree.map(lambda _: False, model), replace_fn=lambda _: True
        )
        picked = {
            _name(p) for p, x in jax.tree_util.tree_leaves_with_path(chosen) if x is True
        }
        for name in picked - leaves.keys():
            raise ValueError(f"trainable.where picks {name}, which is no array of floats.")
        return [n for n in leaves if n in picked]
    patterns = [where] if isinstance(where, str) else where
    picked = {n for p in patterns for n in _match(p, leaves, "trainable.where")}
    return [n for n in leaves if n in picked]


def _constraints(model, leaves, names, asked) -> dict[str, Constraint]:
    rules: dict[str, Constraint | None] = {}
    for name, _, spec in parameters(model):
        low = spec.above if spec.above is not None else spec.at_least
        if low is not None and spec.at_most is not None:
            rules[name] = Bounded(float(low), float(spec.at_most))
        elif low is not None:
            rules[name] = Positive(float(low))
    for pattern, rule in asked.items():
        rules |= dict.fromkeys(_match(pattern, leaves, "trainable.constraints"), rule)
    return {n: rules[n] for n in names if rules.get(n) is not None}
