"""Where each parameter goes: to an argument of a function, or to a leaf of its model."""

import inspect
import itertools
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from snnjax.core import checks
from snnjax.core.parameters import Parameter, parameters


class Bound(NamedTuple):
    """A function of named parameters: `call(values, key=None)`."""

    function: Callable
    model: Any
    leaves: dict[str, Any]  # of the model, those that parameters name
    parts: tuple[str, ...]  # of the model, such as its integrator, that are exchanged whole
    positional: tuple[str, ...]  # of the arguments, those first ones
    takes_key: bool
    needs_key: bool
    specs: dict[str, Parameter]  # of leaves that were declared as parameters

    def __call__(self, values: dict[str, Any], key: Any = None) -> Any:
        given = {n: x for n, x in values.items() if n not in (*self.leaves, *self.parts)}
        if self.takes_key and key is not None:
            given["key"] = key
        first = [given.pop(n) for n in self.positional if n in given]
        if self.model is None:
            return self.function(*first, **given)
        model = self.model
        for name in self.parts:
            where, none = (lambda m, name=name: _part(m, name)), (lambda x: x is None)
            model = eqx.tree_at(where, model, values[name], is_leaf=none)
        put = lambda path, x: self._leaf(values, path, x)
        model = jax.tree_util.tree_map_with_path(put, model)
        return self.function(model, *first, **given)

    def _leaf(self, values, path, old):
        name = _name(path)
        if name not in self.leaves:
            return old
        new = values[name]
        if not checks.is_key(old):
            dtype, new = jnp.result_type(old), jnp.asarray(new)
            if jnp.issubdtype(new.dtype, jnp.inexact) > jnp.issubdtype(dtype, jnp.inexact):
                raise ValueError(f"{name} of the model is {dtype}, got {new.dtype} values.")
            new = new.astype(dtype)
        return jnp.broadcast_to(new, jnp.shape(old))


def bind(
    function: Callable,
    names: Iterable[str],
    model: Any,
    what: str,
    arguments: tuple[str, str] = ("function", "over"),
    choices: Collection[str] = (),
) -> Bound:
    """`function` of the parameters `names`; refuses a name that neither it nor `model` has.

    A name that is an argument of the function goes there. Others are leaves of `model` by
    path ("g_na", "threshold.level"), and the function gets the changed model first; those of
    `choices` may be parts of it ("integrator"). `what` and `arguments` are what its caller and
    two of the caller's arguments are called in errors.
    """
    own_name, over = (f"{what}.{argument}" for argument in arguments)
    if not callable(function):
        raise ValueError(f"{own_name} must be a function, got {function!r}.")
    takes = list(inspect.signature(function).parameters.values())
    if model is not None:
        if not takes or takes[0].kind == inspect.Parameter.KEYWORD_ONLY:
            raise ValueError(f"{own_name} must take the model as its first argument.")
        if takes[0].kind != inspect.Parameter.VAR_POSITIONAL:
            takes = takes[1:]
    names = list(names)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = {p.name: p for p in takes if p.kind in (*kinds, p.KEYWORD_ONLY)}
    by_place = [p.name for p in takes if p.kind in kinds]
    # Up to the first that is left out: what jax.grad and others return takes no keywords.
    leading = itertools.takewhile(lambda n: n in names, by_place)
    free = any(p.kind == p.VAR_KEYWORD for p in takes)
    known = {} if model is None else _leaves(model)
    leaves = {n: known[n] for n in names if n not in named and n in known}
    own = [n for n in choices if n not in named and n not in leaves]
    parts = tuple(n for n in own if _part(model, n) is not _NO_PART)
    for name in names:
        if name not in (*named, *leaves, *parts) and not (free and model is None):
            own = [n for n in named if n != "key"]
            raise ValueError(
                f"{over} names {name!r}, which is neither an argument of the function "
                f"nor a leaf of a model.{checks.nearest(name, [*own, *known])} "
                f"It may name {', '.join([*own, *known]) or 'nothing'}."
            )
    missing = [
        n
        for n, p in named.items()
        if p.default is p.empty and n not in names and n != "key"
    ]
    if missing:
        raise ValueError(
            f"{over} gives no value for {', '.join(missing)}, which the function needs. "
            "Give it, or set it with functools.partial."
        )
    key = named.get("key")
    specs = {} if model is None else {n: spec for n, _, spec in parameters(model)}
    return Bound(
        function,
        model,
        leaves,
        parts,
        positional=tuple(leading),
        takes_key=key is not None and "key" not in names,
        needs_key=key is not None and key.default is key.empty and "key" not in names,
        specs={n: specs[n] for n in leaves if n in specs},
    )


def _leaves(model: Any) -> dict[str, Any]:
    """All arrays and numbers of a model by path, random keys among them."""
    return {
        _name(path): x
        for path, x in jax.tree_util.tree_leaves_with_path(model)
        if eqx.is_array_like(x)
    }


_NO_PART = object()


def _part(model: Any, name: str) -> Any:
    """What the fields of a model, and of its parts, have under a path."""
    for step in name.split("."):
        if isinstance(model, dict):
            model = model.get(step, _NO_PART)
        elif isinstance(model, list | tuple):
            model = model[int(step)] if step in map(str, range(len(model))) else _NO_PART
        else:
            fields = getattr(model, "__dataclass_fields__", {})
            static = step not in fields or fields[step].metadata.get("static", False)
            model = _NO_PART if static else getattr(model, step)
    return model


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
