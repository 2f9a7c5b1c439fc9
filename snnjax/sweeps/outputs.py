"""What a swept function gives at one point: its arrays by name."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks


class Outputs(NamedTuple):
    """The arrays that a function returns, by name, without the axis of points."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype]

    def empty(self, n: int) -> dict[str, np.ndarray]:
        """For `n` points: NaN where that can be, else 0."""
        blank = lambda dtype: np.nan if np.issubdtype(dtype, np.inexact) else 0
        return {
            name: np.full((n, *shape), blank(self.dtypes[name]), self.dtypes[name])
            for name, shape in self.shapes.items()
        }

    def __str__(self) -> str:
        return ", ".join(f"{n}: {self.dtypes[n]}{list(x)}" for n, x in self.shapes.items())

    @property
    def bytes(self) -> int:
        """Of one point."""
        return sum(
            int(np.prod(shape)) * self.dtypes[name].itemsize
            for name, shape in self.shapes.items()
        )


def outputs_of(tree: Any, name: str) -> Outputs:
    """Of the shapes that `tree` has; refuses what is no array."""
    leaves = by_name(tree, name)
    if not leaves:
        raise ValueError(
            f"sweep.function {name} returns nothing. Let it return a number, an array, or a "
            "dictionary of them."
        )
    return Outputs(
        {n: tuple(x.shape) for n, x in leaves.items()},
        {n: np.dtype(x.dtype) for n, x in leaves.items()},
    )


def by_name(tree: Any, name: str) -> dict[str, Any]:
    """Leaves by path: {"rate": ...}, (x, y) as "0" and "1", and one alone by the function."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    path = lambda p: jax.tree_util.keystr(p, simple=True, separator=".")
    named = {path(p) if p else name: x for p, x in found}
    if len(named) < len(found):
        raise ValueError(
            f"sweep.function {name} returns results of the same name, as 'a.b' and 'b' in 'a' "
            f"are: {', '.join(path(p) for p, _ in found)}."
        )
    return named


def as_arrays(tree: Any) -> Any:
    """`tree` of numbers and arrays as arrays; refuses random keys and what is no number."""

    def one(x):
        if checks.is_key(x):
            raise ValueError(
                "sweep.function must return arrays of numbers, got a random key. "
                "jax.random.key_data gives its numbers."
            )
        try:
            x = jnp.asarray(x)
        except TypeError:
            raise ValueError(
                f"sweep.function must return arrays, numbers, or trees of them, got {x!r}."
            ) from None
        # What NumPy has no type of its own for, such as bfloat16, no file has either.
        return x.astype(jnp.float32) if x.dtype.kind == "V" else x

    return jax.tree.map(one, tree)


def function_name(function: Any) -> str:
    """Of a function, also of a partial one; "value" if it has none of its own."""
    function = getattr(function, "func", function)
    name = getattr(function, "__name__", type(function).__name__)
    return "value" if name == "<lambda>" else name
