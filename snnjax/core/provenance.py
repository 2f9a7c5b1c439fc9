"""How a result was made."""

import hashlib
import importlib.metadata
import re
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from snnjax.core.checks import is_key


def version() -> str:
    """The installed version of snnjax, or "source tree" when run without installation."""
    try:
        return importlib.metadata.version("snnjax")
    except importlib.metadata.PackageNotFoundError:
        return "source tree"


def provenance(model: Any, dtype: Any) -> str:
    """One line: model, versions, device and dtype."""
    name = type(model).__name__
    if hasattr(model, "integrator"):
        name += f" by {type(model.integrator).__name__}"
    backend = jax.default_backend()
    return f"{name}, snnjax {version()}, jax {jax.__version__}, {backend}, {dtype}"


def digest(tree: Any) -> str:
    """Fingerprint of a tree: its structure, the bits of its arrays, the names of functions."""
    found = hashlib.sha256(_plain(jax.tree.structure(tree)).encode())
    for leaf in jax.tree.leaves(tree):
        if is_key(leaf):
            leaf = jax.random.key_data(leaf)
        if eqx.is_array(leaf) or isinstance(leaf, np.ndarray):
            found.update(f"{leaf.dtype}{leaf.shape}".encode())
            found.update(np.ascontiguousarray(leaf).tobytes())
        else:
            found.update(_plain(leaf).encode())
    return found.hexdigest()[:16]


def program_digest(function: Any, *args: Any) -> str:
    """Fingerprint of what `function(*args)` computes, its own functions and closures included.

    Of one version of jax only, which writes programs down in its own way.
    """
    program = eqx.filter_make_jaxpr(function)(*args)[0]
    return digest((_plain(program), list(_constants(program, set()))))


def _constants(program: ClosedJaxpr | Jaxpr, seen: set[int]) -> Iterator[Any]:
    """Arrays in a program and in those within it, of which the text has the shapes only."""
    if id(program) in seen:
        return
    seen.add(id(program))
    if isinstance(program, ClosedJaxpr):
        yield from (x if is_key(x) else np.asarray(x) for x in program.consts)
        program = program.jaxpr
    inside = lambda x: isinstance(x, ClosedJaxpr | Jaxpr)
    for equation in program.eqns:
        given = [x.val for x in equation.invars if isinstance(x, Literal)]
        yield from (np.asarray(x) for x in given if np.ndim(x))
        for x in jax.tree.leaves(equation.params, is_leaf=inside):
            if inside(x):
                yield from _constants(x, seen)


def _plain(thing: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", str(thing))  # addresses change with the process
