"""The program `snnjax`: its commands, and how it says that something went wrong."""

import shlex
import sys
import warnings
from typing import Any

import click
import jax

from snnjax.cli.bench import bench
from snnjax.cli.models import models
from snnjax.cli.options import folder
from snnjax.cli.simulate import simulate
from snnjax.cli.sweep import sweep
from snnjax.cli.train import train
from snnjax.cli.verify import verify
from snnjax.core.provenance import version

INTERRUPTED = 130  # what shells expect after Ctrl-C


class Program(click.Group):
    """Errors are one line on standard error: status 2 for what was typed, 1 for the rest."""

    def make_context(self, info_name, args, parent=None, **extra):
        typed = shlex.join([info_name or "snnjax", *args])
        context = super().make_context(info_name, args, parent, **extra)
        context.meta["snnjax.command"] = typed
        return context

    def main(self, *args, standalone_mode=True, **extra) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            status = super().main(*args, standalone_mode=False, **extra)
        except click.Abort:
            status = INTERRUPTED
        except click.ClickException as error:
            hint = ""
            if isinstance(error, click.UsageError) and error.ctx is not None:
                hint = f" See {error.ctx.command_path} --help."
            status = error.exit_code
            click.echo(f"Error: {one_line(error.format_message())}{hint}", err=True)
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx):
        if ctx.params.get("traceback"):
            return super().invoke(ctx)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except BrokenPipeError:  # the reader has seen enough: click's own business
                raise
            except (ValueError, OSError, ImportError, MemoryError) as error:
                # throw=False is for those who call the library.
                message = str(error).replace("smaller dt, or throw=False", "smaller --dt")
                raise click.ClickException(message or type(error).__name__) from error
            except jax.errors.JaxRuntimeError as error:  # such as too little memory
                raise click.ClickException(f"jax: {error}") from error
            except RuntimeError as error:
                if "backend" not in str(error):
                    raise
                raise click.ClickException(f"jax: {error}") from error


def one_line(message: str) -> str:
    """`message` without its line breaks."""
    return " ".join(message.split())


def _show_warning(message, category, filename, lineno, file=None, line=None):
    click.echo(f"Warning: {one_line(str(message))}", err=True)


EPILOG = """\b
Examples:
  snnjax models HodgkinHuxley
  snnjax simulate HodgkinHuxley --current 10 --start 10 --stop 15 --duration 40 --plot hh.png
  snnjax sweep LIF --over current=0:500:101 --measure firing_rate --dt 0.1 --plot fi.png
  snnjax train digits
  snnjax verify cuba_4000
  snnjax demo

Numbers are computed in float32; set JAX_ENABLE_X64=1 for float64. The exit status is 2 if the
command line makes no sense, 1 if something goes wrong later, and 130 after Ctrl-C."""


@click.group(
    "snnjax",
    cls=Program,
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 92},
)
@click.version_option(version(), "--version", message="snnjax %(version)s")
@click.option("--traceback", is_flag=True, help="Show where in the code an error arose.")
@click.pass_context
def main(ctx: click.Context, traceback: bool) -> None:
    """Spiking neurons in JAX: simulate a cell, sweep its parameters, train a network."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@main.command(short_help="Run the main job and draw it.")
@click.option(
    "--out", type=folder, default="demo", show_default=True, help="Folder of the figures."
)
@click.option("--quick", is_flag=True, help="A smaller version of each part.")
def demo(out, quick: bool) -> None:
    """The library at work: cells, a sweep, a network, and training on real digits.

    Takes some minutes on a laptop, and writes its figures to a folder.
    """
    from snnjax.cli.demo import run

    run(out, quick)


for command in (models, simulate, sweep, train, verify, bench):
    main.add_command(command)
