"""Points of a sweep: a grid, values side by side, or both."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks

POINT = "point"  # the dimension of what is no grid

NUMBER = (bool, int, float, np.number, np.bool_)


class Static(tuple):
    """Values that a program is compiled for anew; see `static`."""


def static(values: Iterable[Any]) -> Static:
    """Values that decide the program, such as `dt`, a duration or a number of neurons.

        snn.sweep(rate, over=dict(dt=snn.sweeps.static([0.01, 0.05, 0.1]), current=current))

    A sweep goes through them outside, compiling for each; all other parameters are arrays
    inside. Values that are no numbers, such as integrators and rules, need not be wrapped.
    """
    # Of an array numbers of NumPy: those of jax are no labels.
    array = hasattr(values, "dtype") and not checks.is_key(values)
    return Static(np.asarray(values) if array else values)


class Axis(NamedTuple):
    """The values of a parameter, along a dimension of the points."""

    dim: str
    values: Any  # array [n, ...] of NumPy or of random keys, or `Static`

    @property
    def static(self) -> bool:
        return isinstance(self.values, Static)

    def __len__(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return len(self.values)


class Points:
    """Named parameters at many points, made by `grid`, `zipped`, `latin_hypercube`, ...

    `a * b` has each point of `a` with each of `b`. `dims`: how many points along each
    dimension; that of a grid has the name of its parameter, others are called "point".
    """

    def __init__(self, axes: dict[str, Axis], numbers: np.ndarray | None = None):
        self.axes = axes
        self.dims = {axis.dim: len(axis) for axis in axes.values()}
        # What decides the random key of a point, kept by a part of a sweep that is run again.
        self.numbers = np.arange(len(self)) if numbers is None else numbers

    def __len__(self) -> int:
        return math.prod(self.dims.values())

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points along each dimension."""
        return tuple(self.dims.values())

    def __mul__(self, other: "Points") -> "Points":
        both = [n for n in self.axes if n in other.axes]
        if both:
            raise ValueError(f"Points: {', '.join(both)} is given on both sides of *.")
        if POINT in self.dims and POINT in other.dims:
            raise ValueError("Points: at most one side of * may be other than a grid.")
        return Points(self.axes | other.axes)

    def take(self, numbers: Any) -> dict[str, Any]:
        """The values of each parameter at the points counted by `numbers`."""
        where = self._where(numbers)
        return {n: pick_values(a.values, where[a.dim]) for n, a in self.axes.items()}

    def _where(self, numbers: Any) -> dict[str, np.ndarray]:
        """Places along each dimension; the last one goes fastest."""
        return dict(zip(self.dims, np.unravel_index(numbers, self.shape), strict=True))

    def part(self, numbers: Any) -> "Points":
        """Those points alone, side by side, with the random keys that they have here."""
        numbers = np.asarray(numbers, None if len(numbers) else int)
        axes = {n: Axis(POINT, x) for n, x in self.take(numbers).items()}
        return Points(axes, self.numbers[numbers])

    def groups(self) -> list[tuple[dict[str, Any], np.ndarray]]:
        """(values of the static parameters, which points have them), for each program."""
        names = [n for n, a in self.axes.items() if a.static]
        if not names:
            return [({}, np.arange(len(self)))]
        where, axes = self._where(np.arange(len(self))), [self.axes[n] for n in names]
        # Values that come up again, as side by side, share a program.
        which = [_first_of_each(a.values)[where[a.dim]] for a in axes]
        kinds, of = np.unique(np.stack(which, 1), axis=0, return_inverse=True)
        values = lambda kind: {
            n: a.values[i] for n, a, i in zip(names, axes, kind, strict=True)
        }
        return [
            (values(kind), np.flatnonzero(of.ravel() == k)) for k, kind in enumerate(kinds)
        ]


def pick_values(values: Any, at: np.ndarray) -> Any:
    """Those of an `Axis` at some places."""
    return Static(values[i] for i in at) if isinstance(values, Static) else values[at]


def _first_of_each(values: Static) -> np.ndarray:
    """For each value the number of the first that equals it; 1 and 1.0 are two."""
    same = lambda x, y: x is y or (type(x) is type(y) and bool(eqx.tree_equal(x, y)))
    return np.array([next(i for i, y in enumerate(values) if same(x, y)) for x in values])


def grid(**values: Any) -> Points:
    """Every combination of the values of each parameter: what a plain dictionary means."""
    return Points({n: Axis(n, _values(n, x)) for n, x in _some(values, "grid").items()})


def zipped(**values: Any) -> Points:
    """Values side by side, such as samples drawn elsewhere: point k has the k-th of each."""
    axes = {n: Axis(POINT, _values(n, x)) for n, x in _some(values, "zipped").items()}
    lengths = {n: len(a) for n, a in axes.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{n} has {k}" for n, k in lengths.items())
        raise ValueError(f"zipped needs as many values of each parameter, but {found}.")
    return Points(axes)


def points_of(over: Any) -> Points:
    """What `sweep(over=...)` was given, as `Points`."""
    if isinstance(over, Points):
        if not len(over):
            raise ValueError("sweep.over has no points.")
        return over
    if not isinstance(over, dict):
        raise ValueError(
            "sweep.over must be a dictionary of arrays, or one of snn.sweeps.grid, zipped, "
            f"uniform, latin_hypercube and sobol, got {over!r}."
        )
    return grid(**over)


def _some(values: dict[str, Any], what: str) -> dict[str, Any]:
    if not values:
        raise ValueError(f"{what} needs at least one parameter, such as g_na=[100, 120].")
    return values


def _values(name: str, given: Any) -> Any:
    """As an array of numbers or keys, or as `Static`."""
    if checks.is_traced(given):
        raise ValueError(f"sweep.over: {name} is traced; a sweep is not for inside of jit.")
    one = isinstance(given, str) or not isinstance(given, Iterable)
    if one or getattr(given, "ndim", 1) == 0:
        raise ValueError(f"sweep.over: {name} must be an array of values, got {given!r}.")
    if isinstance(given, list) and given and all(map(checks.is_key, given)):
        given = jnp.stack(given)
    found = given
    if not isinstance(given, Static) and not checks.is_key(given):
        found = given if hasattr(given, "dtype") else list(given)
        numbers = hasattr(given, "dtype") or all(map(_is_array, found))
        array = _array(name, found) if numbers else np.array(None)
        found = Static(found) if array.dtype.kind in "OSU" else array
    if len(found) == 0:
        raise ValueError(f"sweep.over: {name} has no values.")
    if isinstance(found, np.ndarray) and not np.isfinite(found).all():
        raise ValueError(f"sweep.over: {name} must be finite, got {found}.")
    if isinstance(found, np.ndarray) and found.dtype.kind in "iu":
        kept = found.astype(jax.dtypes.canonicalize_dtype(found.dtype))
        if (kept != found).any():
            raise ValueError(
                f"sweep.over: {name} has {found[kept != found][0]}, beyond {kept.dtype}. "
                "Take smaller numbers, or jax.config.update('jax_enable_x64', True)."
            )
    return found


def _is_array(x: Any) -> bool:
    return isinstance(x, (*NUMBER, list)) or hasattr(x, "dtype")


def _array(name: str, given: Any) -> np.ndarray:
    try:
        return np.array(given)  # a copy: labels stay when the caller writes on
    except ValueError as error:
        raise ValueError(
            f"sweep.over: the values of {name} must be of one shape, or static([...])."
        ) from error
