"""What the library offers, looked up by name: neurons, their settings, presets and schemes."""

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import click
import equinox as eqx
import jax

from snnjax import neurons
from snnjax.core import integrators
from snnjax.core.base import AbstractDynamics
from snnjax.core.checks import as_float, nearest
from snnjax.core.parameters import Parameter, parameters

_UNIT = re.compile(r"(?:1/)?(?:[munp]?[VASF]|ms|Hz)(?:/(?:ms|cm2|mV))?(?=[,;.: ]|$)")

DEEP = 2  # words in a dotted name that is listed only when asked for


def plain(name: str) -> str:
    """`name` as it is compared: "Hodgkin-Huxley" and "hodgkin_huxley" are the same."""
    return name.lower().replace("-", "").replace("_", "")


def match(name: str, known: Iterable[str], what: str) -> str:
    """The one of `known` that `name` means; a usage error that suggests the nearest."""
    names = {plain(k): k for k in known}
    if plain(name) in names:
        return names[plain(name)]
    close = nearest(plain(name), names)
    for short, full in names.items():
        close = close.replace(f"{short!r}", f"{full!r}")
    listing = close or f" Known: {', '.join(names.values()) or 'none'}."
    raise click.UsageError(f"There is no {what} {name!r}.{listing}")


def models() -> dict[str, type[AbstractDynamics]]:
    """All neurons by name."""
    found = (getattr(neurons, name) for name in neurons.__all__)
    is_model = lambda x: isinstance(x, type) and issubclass(x, AbstractDynamics)
    concrete = [x for x in found if is_model(x) and not inspect.isabstract(x)]
    return {x.__name__: x for x in sorted(concrete, key=lambda x: x.__name__.lower())}


def find_model(name: str) -> type[AbstractDynamics]:
    """The neuron that `name` means."""
    known = models()
    return known[match(name, known, "model")]


def schemes() -> dict[str, type]:
    """All integrators that need no arguments, by name."""
    found = {
        **vars(integrators),
        **{name: getattr(neurons, name) for name in neurons.__all__},
    }
    is_scheme = lambda x: (
        isinstance(x, type)
        and issubclass(x, integrators.AbstractIntegrator)
        and not inspect.isabstract(x)
        and not _required(x)
    )
    return {name: x for name, x in sorted(found.items()) if is_scheme(x)}


def presets(model: type) -> dict[str, Callable]:
    """Class methods that make a `model` from numbers alone, in the order they are written."""
    names = [name for base in reversed(model.__mro__) for name in vars(base)]
    found = {n: getattr(model, n) for n in dict.fromkeys(names) if _is_preset(model, n)}
    return {n: f for n, f in found.items() if all(map(_is_number, _required(f).values()))}


def _is_preset(model: type, name: str) -> bool:
    method = inspect.getattr_static(model, name)
    if name.startswith("_") or not isinstance(method, classmethod):
        return False
    result = method.__func__.__annotations__.get("return")
    return str(getattr(result, "__name__", result)).split("[")[0] in (
        model.__name__,
        "Self",
    )


def _is_number(argument: inspect.Parameter) -> bool:
    part = argument.annotation
    return not (isinstance(part, type) and issubclass(part, eqx.Module))


def _arguments(make: Callable) -> dict[str, inspect.Parameter]:
    function = make.__init__ if isinstance(make, type) else make
    known = inspect.signature(function).parameters
    return {n: p for n, p in known.items() if n != "self"}


def _required(make: Callable) -> dict[str, inspect.Parameter]:
    """The arguments that `make` cannot do without."""
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    given = _arguments(make).items()
    return {n: p for n, p in given if p.default is p.empty and p.kind not in variable}


def summary(thing: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def input_and_source(model: type) -> str:
    """The end of the docstring: what the input is, and where the model comes from."""
    doc = inspect.getdoc(model) or ""
    _, _, end = doc.partition("\nInput: ")
    return f"Input: {end}" if end else doc.split("\n\n")[-1]


def input_sentence(model: type) -> str:
    """What the input is, without the source."""
    text = input_and_source(model)
    return " ".join(re.split(r"(?<=\.)\s", text, maxsplit=1)[0].split())


def input_unit(model: type) -> str | None:
    """Unit of the current that drives `model`, "" for none; None if no current drives it."""
    text = input_and_source(model)
    stated = re.match(r"Input: current, ([^\s,;:]+?)[.,;:]?(?=\s|$)", text)
    if stated is None:
        return None if text.startswith("Input: ") else ""
    return "" if stated[1] == "dimensionless" else stated[1]


def state_fields(model: AbstractDynamics) -> dict[str, str]:
    """What can be recorded of `model`, each state field with the comment beside it."""
    init = lambda m: m.init((), key=jax.random.key(0))
    state = eqx.filter_eval_shape(init, model)
    values = state._asdict() if hasattr(state, "_asdict") else {}
    return {
        name: _comments(type(state)).get(name, "")
        for name, x in values.items()
        if eqx.is_inexact_array(x) or isinstance(x, jax.ShapeDtypeStruct)
    }


@functools.cache
def _comments(state: type) -> dict[str, str]:
    try:
        lines = inspect.getsource(state).splitlines()
    except (OSError, TypeError):
        return {}
    found = (re.match(r"\s+(\w+): .*?# *(.*)", line) for line in lines)
    return {line[1]: line[2] for line in found if line}


def unit_of(comment: str) -> str:
    """The unit with which the comment beside a state field begins, or ""."""
    found = _UNIT.match(comment)
    return found[0] if found else ""


class Setting(NamedTuple):
    """Something of a model that can be set by name."""

    value: Any  # as it comes; None if it is optional and left out
    spec: Parameter | None = None  # unit and bounds; None for options and bare arguments
    choices: tuple | None = None  # of an option that is no number
    optional: bool = False
    needed: bool = False


class Recipe(NamedTuple):
    """A model with all that may be set, from which instances are made."""

    model: type[AbstractDynamics]
    make: Callable[..., AbstractDynamics]
    settings: dict[str, Setting]

    @classmethod
    def of(cls, model: type[AbstractDynamics], preset: str | None = None) -> "Recipe":
        """`model` as it comes, or its `preset`."""
        known = presets(model)
        make = model if preset is None else known[match(preset, known, "preset")]
        needed, found = _required(make), {}
        whole = next((f for f in (make, model) if not _required(f)), None)
        instance = None if whole is None else whole()
        for field in dataclasses.fields(model):
            spec = next(
                (m for m in field.metadata.values() if isinstance(m, Parameter)), None
            )
            value = getattr(instance, field.name, None)
            if spec is not None:
                optional = type(None) in typing.get_args(field.type)
                found[field.name] = Setting(value, spec, optional=optional)
            elif typing.get_origin(field.type) is typing.Literal:
                found[field.name] = Setting(value, choices=typing.get_args(field.type))
            elif field.type is bool:
                found[field.name] = Setting(value, choices=(True, False))
        for name, value, spec in parameters(instance):
            found.setdefault(name, Setting(value, spec))
        for name in needed:
            spec = found.get(name, Setting(None)).spec
            found[name] = Setting(None, spec, needed=True)
        order = [*_arguments(model), *found]
        return cls(
            model, make, dict(sorted(found.items(), key=lambda x: order.index(x[0])))
        )

    def name(self, given: str) -> str:
        """The setting that `given` means; the last word of a dotted name may be enough.

        `threshold` is short for `threshold.level`.
        """
        if given in self.settings:
            return given
        ends = [
            n for n in self.settings if n.endswith(f".{given}") or n == f"{given}.level"
        ]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise click.UsageError(f"{given!r} may be any of {', '.join(ends)}: say which.")
        shallow = [n for n in self.settings if n.count(".") < DEEP]
        return match(given, shallow, f"parameter of {self.model.__name__} called")

    def build(self, values: dict[str, Any], integrator: Any = None) -> AbstractDynamics:
        """An instance with `values` set, which may be traced."""
        missing = [n for n, s in self.settings.items() if s.needed and n not in values]
        if missing:
            example = " ".join(f"--set {n}=..." for n in missing)
            raise click.UsageError(f"{self.model.__name__} needs {example}.")
        arguments = _arguments(self.make)
        variable = any(p.kind is p.VAR_KEYWORD for p in arguments.values())
        own = {f.name for f in dataclasses.fields(self.model)} if variable else set()
        direct = {n: x for n, x in values.items() if n in arguments or n in own}
        if integrator is not None:
            if "integrator" not in {f.name for f in dataclasses.fields(self.model)}:
                raise click.UsageError(f"{self.model.__name__} takes no integrator.")
            direct["integrator"] = integrator
        model = self.make(**direct)
        for name, value in values.items():
            if name not in direct:
                model = _replaced(model, name, value, self.settings[name].spec)
        return model


def _replaced(model: Any, name: str, value: Any, spec: Parameter) -> Any:
    """`model` with the parameter `name` of one of its parts replaced."""
    spec.check(value, f"{type(model).__name__}.{name}")

    def part(model: Any) -> Any:
        for word in name.split("."):
            is_field = isinstance(model, eqx.Module)
            model = getattr(model, word) if is_field else model[_key(model, word)]
        return model

    return eqx.tree_at(part, model, as_float(value))


def _key(container: Any, word: str) -> Any:
    return word if isinstance(container, dict) else int(word)
