"""Refusing bad input: each check names the argument, its unit, the value and the way out."""

import difflib
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike


def is_traced(x: Any) -> bool:
    """Whether any leaf of `x` is a tracer, so that its value cannot be looked at yet."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(x))


def early(function: Any, *args: Any, **kwargs: Any) -> Any:
    """`function` of what is known, at once also under jit, so that it stays known."""
    if is_traced((args, kwargs)):
        return function(*args, **kwargs)
    with jax.ensure_compile_time_eval():
        return function(*args, **kwargs)


def as_float(x: ArrayLike) -> Array:
    """`x` as a float array: arrays of floats keep their dtype, all else gets the default."""
    dtype = getattr(x, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact) or np.isscalar(x):
        dtype = float
    return jnp.asarray(x, dtype=jax.dtypes.canonicalize_dtype(dtype))  # never weakly typed


def finite(x: ArrayLike, name: str, unit: str = "") -> Array:
    """`x` as a float array without NaN or infinity; refuses others while they are concrete."""
    try:
        x = as_float(x)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number or an array{_in(unit)}, got {x!r}."
        ) from None
    return _require(x, np.isfinite, f"{name} must be finite{_in(unit)}")


def positive(x: ArrayLike, name: str, unit: str = "") -> Array:
    """`x` as a float array above 0; refuses others while they are concrete."""
    return above(x, 0, name, unit)


def above(x: ArrayLike, bound: float, name: str, unit: str = "") -> Array:
    """`x` as a float array above `bound`; refuses others while they are concrete."""
    x = finite(x, name, unit)
    return _require(
        x, lambda x: x > bound, f"{name} must be above {bound:g} {unit}".rstrip()
    )


def at_least(x: ArrayLike, bound: float, name: str, unit: str = "") -> Array:
    """`x` as a float array of at least `bound`; refuses others while they are concrete."""
    x = finite(x, name, unit)
    return _require(
        x, lambda x: x >= bound, f"{name} must be at least {bound:g} {unit}".rstrip()
    )


def at_most(x: ArrayLike, bound: float, name: str, unit: str = "") -> Array:
    """`x` as a float array of at most `bound`; refuses others while they are concrete."""
    x = finite(x, name, unit)
    return _require(
        x, lambda x: x <= bound, f"{name} must be at most {bound:g} {unit}".rstrip()
    )


def proper_decay(x: ArrayLike, name: str) -> Array:
    """`x` as a float array above 0 and below 1; refuses others while they are concrete."""
    x = above(x, 0, name)
    return _require(x, lambda x: x < 1, f"{name} must be below 1")


def one_of(x: Any, choices: Iterable[Any], name: str) -> Any:
    """`x` if it is one of `choices`; otherwise a `ValueError` that suggests the nearest."""
    choices = list(choices)
    if x not in choices:
        raise ValueError(
            f"{name} must be one of {choices}, got {x!r}.{nearest(x, choices)}"
        )
    return x


def count(n: Any, name: str) -> int:
    """`n` as an int above 0; refuses what is not whole."""
    try:
        whole = int(n)
        if whole == n and whole > 0:
            return whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must be a whole number above 0, got {n!r}.")


def whole_steps(duration: float, dt: float, name: str) -> int:
    """`duration / dt` as a whole number; refuses a duration that dt does not divide."""
    steps = decimal(duration) / decimal(dt)
    if not np.isfinite(steps) or abs(steps - round(steps)) > 1e-3 or round(steps) < 0:
        raise ValueError(
            f"{name}={duration:g} ms must be a whole number of steps of {dt:g} ms."
        )
    return round(steps)


def raise_if(tree: Any, bad: Any, which: Any, messages: list[str]) -> Any:
    """`tree`, raising `messages[which]` at run time if `bad`: what is used of it must be this.

    Random keys pass by, as a host callback takes none.
    """
    values, keys = eqx.partition(tree, lambda x: not is_key(x))
    return eqx.combine(eqx.branched_error_if(values, bad, which, messages), keys)


def random_key(x: Any, name: str) -> Any:
    """`x` if it is a random key, typed or of the older raw kind."""
    raw = getattr(x, "dtype", None) == np.uint32 and np.ndim(x) > 0
    if not raw and not is_key(x):
        raise ValueError(f"{name} must be a random key, jax.random.key(seed), got {x!r}.")
    return x


def is_key(x: Any) -> bool:
    """Whether `x` is an array of typed random keys."""
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def decimal(x: Any) -> float:
    """`x` as it prints: 0.1, not the float32 nearest to it."""
    return float(str(x))


def nearest(name: Any, known: Iterable[Any]) -> str:
    """' Did you mean ...?' for a mistyped name, or nothing."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _in(unit: str) -> str:
    return f" in {unit}" if unit else ""


def _require(x: Array, condition, message: str) -> Array:
    if not is_traced(x):
        values = np.asarray(x)  # under jit, jax would trace the condition of constants too
        if not np.all(condition(values)):
            raise ValueError(f"{message}, got {values}.")
    return x
