"""Parameters of a model: default, unit and bounds, each stated once, where it is declared."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from snnjax.core import checks

_KEY = "snnjax"
M = TypeVar("M")


class Parameter(NamedTuple):
    """What a parameter may be: its unit and its bounds."""

    unit: str
    above: float | None
    at_least: float | None
    at_most: float | None
    per_neuron: bool
    terms: bool

    def check(self, value: Any, name: str) -> None:
        """Raise a `ValueError` if a concrete `value` is out of bounds."""
        checks.finite(value, name, self.unit)
        if self.above is not None:
            checks.above(value, self.above, name, self.unit)
        if self.at_least is not None:
            checks.at_least(value, self.at_least, name, self.unit)
        if self.at_most is not None:
            checks.at_most(value, self.at_most, name, self.unit)

    def violated(self, value: Array) -> Bool[Array, ""]:
        """The same check for a traced `value`."""
        bad = ~jnp.isfinite(value)
        if self.above is not None:
            bad |= value <= self.above
        if self.at_least is not None:
            bad |= value < self.at_least
        if self.at_most is not None:
            bad |= value > self.at_most
        return bad.any()

    def __str__(self) -> str:
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("above", self.above),
                ("at least", self.at_least),
                ("at most", self.at_most),
            )
            if bound is not None
        ]
        return " ".join([self.unit or "dimensionless", *bounds])


def parameter(
    default: Any = dataclasses.MISSING,
    unit: str = "",
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    per_neuron: bool = True,
    terms: bool = False,
    kw_only: bool = False,
) -> Any:
    """A field of a model: a float or an array, one value a neuron, with unit and bounds.

    - `default`: used where the caller gives nothing; `None` makes the parameter optional.
    - `unit`: as printed in errors and listings; `""` is dimensionless.
    - `above`, `at_least`, `at_most`: bounds, checked at construction and, for traced values,
      at the start of `simulate`. `trainable` keeps a parameter within them.
    - `per_neuron`: whether an array holds one value a neuron, and so sets the state's shape.
    - `terms`: the first axis counts terms of a sum, such as currents; the rest is per neuron.
    """
    kwargs = {} if default is dataclasses.MISSING else {"default": default}
    meta = Parameter(unit, above, at_least, at_most, per_neuron, terms)
    return eqx.field(converter=_convert, metadata={_KEY: meta}, kw_only=kw_only, **kwargs)


def _convert(value: Any) -> Any:
    try:
        return None if value is None else checks.as_float(value)
    except (TypeError, ValueError):
        return value  # refused by name in check_parameters


def parameters(module: Any, prefix: str = "") -> Iterator[tuple[str, Any, Parameter]]:
    """(dotted name, value, `Parameter`) of every parameter in `module` and its parts."""
    if isinstance(module, eqx.Module):
        for field in dataclasses.fields(module):
            name = f"{prefix}.{field.name}" if prefix else field.name
            value = getattr(module, field.name, None)
            if _KEY in field.metadata:
                if value is not None:
                    yield name, value, field.metadata[_KEY]
            else:
                yield from parameters(value, name)
    elif isinstance(module, dict):
        for name, part in module.items():
            yield from parameters(part, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(module, list | tuple):
        for i, part in enumerate(module):
            yield from parameters(part, f"{prefix}.{i}" if prefix else str(i))


def map_parameters(
    f: Callable[[str, Any], Any], module: M, other: Callable[[Any], Any] = lambda x: x
) -> M:
    """`module` with each parameter `x` of dotted `name` as `f(name, x)`, else `other(x)`."""
    names = {name for name, _, _ in parameters(module)}

    def one(path, x):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        return f(name, x) if name in names else other(x)

    return jax.tree_util.tree_map_with_path(one, module)


def check_parameters(module: eqx.Module) -> None:
    """Refuse concrete parameters of `module` itself (not of its parts) out of bounds."""
    for field in dataclasses.fields(module):
        value = getattr(module, field.name, None)
        if _KEY in field.metadata and value is not None:
            field.metadata[_KEY].check(value, f"{type(module).__name__}.{field.name}")


def guard_parameters(module: eqx.Module, value: Any) -> Any:
    """`value`, raising at run time if a traced parameter of `module` is out of bounds.

    The parameters themselves do not pass through the check, which copies what does: millions
    of weights are often among them.
    """
    traced = [(n, v, p) for n, v, p in parameters(module) if checks.is_traced(v)]
    if not traced:
        return value
    bad = jnp.stack([p.violated(v) for _, v, p in traced])
    name = type(module).__name__
    messages = [
        f"{name}.{n} is out of bounds: it must be finite, in {p}." for n, _, p in traced
    ]
    return checks.raise_if(value, bad.any(), jnp.argmax(bad), messages)
