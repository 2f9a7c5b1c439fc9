"""What drives a run: arrays (time first), scalars and functions of the step, in any tree."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import as_float, is_traced


class Drive(eqx.Module):
    """Inputs of a run, sorted by how they are fed to it.

    - `arrays`: leaves with a leading time axis; `rest`: scalars and functions, at the same
      places of the tree. `dtype`: what the model computes in.
    """

    arrays: list[Any]
    rest: list[Any]
    tree: Any = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)

    @classmethod
    def of(cls, inputs: Any, dtype: Any) -> "Drive":
        """Sort `inputs`; refuses concrete NaN and infinity."""
        leaves, tree = jax.tree.flatten(
            inputs, is_leaf=lambda x: callable(x) or _is_numbers(x)
        )
        arrays, rest = [], []
        for leaf in leaves:
            if callable(leaf):
                arrays.append(None)
                rest.append(leaf)
                continue
            if not is_traced(leaf):
                _require_finite(leaf)
            x = as_float(leaf).astype(dtype)
            arrays.append(x if x.ndim else None)
            rest.append(None if x.ndim else x)
        return cls(arrays, rest, tree, jnp.dtype(dtype))

    @property
    def n_steps(self) -> int | None:
        """Length of the arrays, or None without any; refuses unequal lengths."""
        lengths = {x.shape[0] for x in self.arrays if x is not None}
        if len(lengths) > 1:
            raise ValueError(
                f"The input arrays have {sorted(lengths)} steps: time comes first, and all "
                "must have as many."
            )
        return lengths.pop() if lengths else None

    def at(self, slices: list[Any], step: Any, dt: Any) -> Any:
        """The input of `step`, given the arrays' slices for it."""
        leaves = [
            (self._call(r, step, dt) if callable(r) else r) if x is None else x
            for x, r in zip(slices, self.rest, strict=True)
        ]
        return jax.tree.unflatten(self.tree, leaves)

    def not_finite(self, row: int, step: Any, dt: Any) -> Any:
        """A NaN or infinity in the input of `step`, the `row` of the arrays; None without."""
        slices = [None if x is None else x[row] for x in self.arrays]
        leaves = jax.tree.leaves(self.at(slices, step, dt))
        values = [np.ravel(x) for x in leaves if eqx.is_inexact_array(x)]
        return next((x for leaf in values for x in leaf[~np.isfinite(leaf)]), None)

    def _call(self, function: Any, step: Any, dt: Any) -> Any:
        cast = lambda x: x if callable(x) else as_float(x).astype(self.dtype)
        return jax.tree.map(cast, function(step, dt), is_leaf=callable)

    def chunk(self, first: int, n_steps: int) -> "Drive":
        """The part of `n_steps` that begins `first` steps into the arrays."""
        if (first, n_steps) == (0, self.n_steps):
            return self
        part = [None if x is None else x[first : first + n_steps] for x in self.arrays]
        return eqx.tree_at(lambda d: d.arrays, self, part, is_leaf=lambda x: x is None)

    def shape(self, dt: Any) -> tuple[int, ...]:
        """Shape of one step's input: that of a population it drives."""
        leaves = [x.shape[1:] for x in self.arrays if x is not None]
        for r in self.rest:
            if callable(r):
                one = eqx.filter_eval_shape(self._call, r, jnp.int32(0), dt)
                leaves += [x.shape for x in jax.tree.leaves(one) if hasattr(x, "shape")]
        try:
            return np.broadcast_shapes(*leaves)
        except ValueError:
            raise ValueError(
                "The shapes of one step's inputs do not broadcast: "
                f"{leaves}. Give simulate the population's shape=."
            ) from None


def _is_numbers(x: Any) -> bool:
    """Whether `x` is a list of plain numbers, or of such lists."""
    if not isinstance(x, list) or not x:
        return False
    return all(isinstance(i, int | float | np.number) or _is_numbers(i) for i in x)


def _require_finite(x: Any) -> None:
    try:
        x = np.asarray(x)
        bad = ~np.isfinite(x.astype(float))
    except (TypeError, ValueError):
        raise ValueError(
            "The input must be numbers, as an array with time first, a scalar, a function "
            f"of the step or a tree of these, got {x!r}."
        ) from None
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        at = f" at step {where[0]}, index {where[1:]}" if where else ""
        raise ValueError(
            f"The input must be finite, got {x[where]} ({bad.sum()} of {x.size} values are not)"
            f"{at}. Replace or cut out these values."
        )
