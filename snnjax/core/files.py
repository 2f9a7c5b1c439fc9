"""Models and run states on disk."""

import os
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax

from snnjax.core.checks import is_key

T = TypeVar("T")


def save(path: str | os.PathLike, tree: Any) -> None:
    """Write the arrays of `tree` (a model, a `Solution.state`, optimiser state) to `path`.

    Random keys are kept as their key data. The file appears whole or not at all.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:  # a bare path would be given a suffix
        eqx.tree_serialise_leaves(file, _open_keys(tree))
    part.replace(path)


def load(path: str | os.PathLike, like: T) -> T:
    """Read what `save` wrote, into the structure of `like`: a model or state made anew.

    Raises `ValueError` where shapes or dtypes of the file and of `like` differ.
    """
    try:
        with Path(path).open("rb") as file:
            arrays = eqx.tree_deserialise_leaves(file, _open_keys(like))
            if file.read(1):
                raise ValueError("the file holds more arrays.")
    except (RuntimeError, ValueError, EOFError) as error:
        raise ValueError(
            f"{path} does not hold a {type(like).__name__} of this shape: {error}"
        ) from error
    wrap = lambda x, old: (
        jax.random.wrap_key_data(x, impl=jax.random.key_impl(old)) if is_key(old) else x
    )
    return jax.tree.map(wrap, arrays, like)


def _open_keys(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, tree)
