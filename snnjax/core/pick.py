"""What a recorder looks at: a value by its name, in a part of a network, of some neurons."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import nearest

What = str | Callable[[Any, Any], Any]

_OUTPUT = ("output", "spikes")


def pick(what: What | tuple[What, ...], state: Any, output: Any, index: Any = None) -> Any:
    """The value(s) that `what` names: a field of the state, "output", or a function's.

    A dotted name descends. A state of several parts (such as that of a network) tells them
    by a method `part(name, output) -> (state of the part, its output)`, which raises
    `KeyError`, or `ValueError` with the names there are, for a name it does not know. So
    "exc.v" is the potential and "exc.spikes" the output of the part "exc".
    """
    if isinstance(what, tuple):
        if len(what) == 1:
            return pick(what[0], state, output, index)
        return {name: pick(name, state, output, index) for name in what}
    value = what(state, output) if callable(what) else _named(what, state, output)
    return value if index is None else jax.tree.map(lambda x: _rows(x, index), value)


def _named(name: str, state: Any, output: Any) -> Any:
    value: Any = state
    has_output = True
    *parents, last = parts = name.split(".")
    for level, part in enumerate(parts):
        if level == len(parents) and has_output and last in _OUTPUT:
            return output
        inside: Any = getattr(value, "part", None) if has_output else None
        unknown = None
        if callable(inside):  # of a module a method is no function
            try:
                told: Any = inside(part, output)
                value, output = told
                continue
            except (KeyError, ValueError) as error:
                unknown = error
        fields = _fields(value)
        if part not in fields:
            known = [*getattr(value, "parts", ()), *fields, "output"]
            message = (
                f"There is no {name!r} to record.{nearest(part, known)} "
                f"Known: {', '.join(map(str, known))}."
            )
            raise ValueError(str(unknown) if isinstance(unknown, ValueError) else message)
        value, has_output = fields[part], False
    return value


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return {name: getattr(value, name) for name in getattr(value, "_fields", ())}


def output_of(of: str | None) -> str:
    """The name of the output of the part `of`, or of the whole model."""
    return "output" if of is None else f"{of}.output"


def of_field() -> Any:
    """The field `of` of a recorder of spikes: the dotted name of a part, or None."""
    return eqx.field(default=None, static=True, kw_only=True)


class Slice(NamedTuple):
    """A slice that has a hash."""

    start: int | None
    stop: int | None
    step: int | None


def index_field() -> Any:
    """The field `index` of a recorder: which neurons, along the first axis of a population."""
    return eqx.field(default=None, static=True, converter=as_index, kw_only=True)


def as_index(index: Any) -> int | tuple[int, ...] | Slice | None:
    """`index` in a form that has a hash: a whole number, several, a slice or a mask."""
    if index is None or isinstance(index, Slice):
        return index
    if isinstance(index, slice):
        return Slice(index.start, index.stop, index.step)
    index = np.asarray(index)
    if index.dtype == bool and index.ndim == 1:
        index = np.flatnonzero(index)
    if not np.issubdtype(index.dtype, np.integer) or index.ndim > 1 or not index.size:
        raise ValueError(
            f"index must be a whole number, a list of them, a slice or a mask, got {index!r}."
        )
    return int(index) if index.ndim == 0 else tuple(map(int, index))


def _rows(x: Any, index: Any) -> Any:
    x = jnp.asarray(x)
    if not x.ndim:
        raise ValueError("index= picks neurons of a population, and this is one value.")
    picked = neurons(index, len(x))
    return x[slice(*index)] if isinstance(index, Slice) else x[picked]


def neurons(index: Any, n: int) -> np.ndarray:
    """The numbers of the neurons that `index` picks of `n`; refuses those there are not."""
    if isinstance(index, Slice):
        picked = np.arange(n)[slice(*index)]
        if not picked.size:
            raise ValueError(f"index={slice(*index)} picks none of the {n} neurons.")
        return picked
    picked = np.asarray(index)
    bad = picked[(picked < -n) | (picked >= n)]
    if bad.size:
        raise ValueError(
            f"index={bad.flat[0]} is out of range: there are {n} neurons, 0 to {n - 1}."
        )
    return picked % n
