"""What is typed on the command line as `name=value` and `name=start:stop:number`."""

from typing import Any, NamedTuple

import click
import numpy as np

from snnjax.cli.discover import Recipe, Setting

MOST = 10_000_000  # points of a sweep


class Assignment(click.ParamType):
    """`name=value`, as a pair of strings."""

    name = "NAME=VALUE"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        name, equals, text = (part.strip() for part in value.partition("="))
        if not (name and equals and text):
            self.fail(f"{value!r} is not of the form NAME=VALUE, such as g_na=100.")
        return name, text


class Axis(NamedTuple):
    """What one `--over` asks for."""

    name: str
    values: np.ndarray
    is_range: bool = False  # of which `values` are the ends


class Over(click.ParamType):
    """`name=start:stop:number`, both ends included, `name=1,2,5`, or a range `name=start:stop`."""

    name = "NAME=START:STOP:N"

    def convert(self, value, param, ctx):
        if isinstance(value, Axis):
            return value
        name, _, text = (part.strip() for part in value.partition("="))
        parts = text.split(":")
        if not name or not text or len(parts) > 3:
            self.fail(f"{value!r} is not of the form NAME=START:STOP:N or NAME=A,B,C.")
        if len(parts) == 1:
            return Axis(name, np.array([number(x, name) for x in text.split(",")]))
        start, stop = number(parts[0], name), number(parts[1], name)
        if len(parts) == 2:
            return Axis(name, np.array([start, stop]), is_range=True)
        if not parts[2].strip().isdecimal() or int(parts[2]) < 1:
            self.fail(f"{parts[2]!r} in {value!r} is not a number of values above 0.")
        if int(parts[2]) > MOST:
            self.fail(f"{parts[2].strip()} values of {name} are more than {MOST}.")
        return Axis(name, np.linspace(start, stop, int(parts[2])))


class Positive(click.ParamType):
    """A finite number above 0."""

    name = "NUMBER"

    def convert(self, value, param, ctx):
        value = _option_number(value, param)
        if value <= 0:
            self.fail(f"{value:g} is not above 0.")
        return value


class Finite(click.ParamType):
    """A finite number."""

    name = "NUMBER"

    def convert(self, value, param, ctx):
        return _option_number(value, param)


def _option_number(value: Any, param: click.Parameter | None) -> float:
    name = "" if param is None else param.opts[0]
    return number(value, name) if isinstance(value, str) else value


def number(text: str, name: str) -> float:
    """`text` as a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise click.UsageError(f"{text.strip()!r} for {name} is not a finite number.")
    return value


def values(recipe: Recipe, given: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """All `--set` of a command, by the full names of the settings."""
    found = {}
    for short, text in given:
        name = recipe.name(short)
        if name in found:
            raise click.UsageError(f"{name} is set twice.")
        found[name] = _value(recipe.settings[name], name, text)
    return found


def _value(setting: Setting, name: str, text: str) -> Any:
    if setting.choices is not None:
        known = {str(choice).lower(): choice for choice in setting.choices}
        if text.lower() not in known:
            listing = ", ".join(known)
            raise click.UsageError(f"{name} must be one of {listing}, got {text!r}.")
        return known[text.lower()]
    if setting.optional and text.lower() == "none":
        return None
    is_list = setting.spec is not None and (
        setting.spec.terms or not setting.spec.per_neuron
    )
    if is_list and "," in text:
        return np.array([number(x, name) for x in text.split(",")])
    return number(text, name)
