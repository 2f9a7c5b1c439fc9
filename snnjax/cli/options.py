"""Options that several commands share."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from snnjax.cli.values import Assignment, Finite, Positive


class OutFile(click.ParamType):
    """A file to be written, of a kind known by its suffix, in a folder that exists."""

    name = "FILE"

    def __init__(self, *suffixes: str):
        self.suffixes = suffixes

    def convert(self, value, param, ctx):
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            self.fail(f"{value!r} must end in {' or '.join(self.suffixes)}.")
        if path.is_dir():
            self.fail(f"{value!r} is a folder.")
        if not path.parent.is_dir():
            self.fail(f"There is no folder {str(path.parent)!r} to write {path.name} to.")
        return path


folder = click.Path(file_okay=False, path_type=Path)
plot_option = click.option(
    "--plot", type=OutFile(".png", ".pdf", ".svg"), help="Draw to this .png, .pdf or .svg."
)
save_option = click.option(
    "--save",
    type=OutFile(".npz", ".csv"),
    help="Write the data, with units and this command, to this .npz or .csv.",
)
progress_option = click.option(
    "--progress/--no-progress",
    default=None,
    help="Whether to show a bar. [default: in a terminal]",
)


def cell_options(*, duration: float) -> Callable:
    """The options that say which cell is run, with what input and for how long."""
    options = [
        click.argument("model"),
        click.option("--preset", metavar="NAME", help="One of the model's presets."),
        click.option(
            "--set",
            "settings",
            type=Assignment(),
            multiple=True,
            help="A parameter, in the unit that `snnjax models MODEL` prints. Repeatable.",
        ),
        click.option(
            "--integrator",
            metavar="NAME",
            help="Scheme, such as rk4. [default: the model's]",
        ),
        click.option(
            "--current",
            type=Finite(),
            default=0.0,
            show_default="0",
            help="Amplitude of the current, in the model's unit: pA, or uA/cm2 per area.",
        ),
        click.option(
            "--start",
            type=Finite(),
            default=0.0,
            show_default="0",
            help="When it begins, ms.",
        ),
        click.option(
            "--stop", type=Finite(), help="When it ends, ms. [default: with the run]"
        ),
        click.option(
            "--duration",
            type=Positive(),
            default=duration,
            show_default=f"{duration:g}",
            help="How long to run, ms.",
        ),
        click.option(
            "--dt", type=Positive(), default=0.01, show_default=True, help="Time step, ms."
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Of all random numbers."
        ),
    ]
    return lambda function: functools.reduce(lambda f, add: add(f), options[::-1], function)


def show_bar(wanted: bool | None) -> bool:
    """Whether to show a progress bar: as wanted, or else only to somebody who is looking."""
    return sys.stderr.isatty() if wanted is None else wanted


def command_line() -> str:
    """What was typed."""
    return click.get_current_context().meta["snnjax.command"]


def table(rows: list[tuple[Any, ...]], indent: int = 2) -> str:
    """Rows of equal length as aligned columns."""
    texts = [[str(x) for x in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = (
        "  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)) for row in texts
    )
    return "\n".join(" " * indent + line.rstrip() for line in lines)
