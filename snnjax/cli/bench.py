"""`snnjax bench`: the benchmarks of a source checkout."""

import ast
import subprocess
import sys
from pathlib import Path

import click

import snnjax
from snnjax.cli.discover import match
from snnjax.cli.options import table


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def bench(names: tuple[str, ...]) -> None:
    """List the benchmarks, or run those given by NAME.

    They are part of the source code, not of an installation.

    \b
    Examples:
      snnjax bench
      snnjax bench single_cell
    """
    known = scripts()
    if not names:
        click.echo("Benchmarks:")
        click.echo(table([(name, _first_line(path)) for name, path in known.items()]))
        click.echo("\n`snnjax bench NAME` runs one.")
        return
    chosen = [known[match(name, known, "benchmark")] for name in names]
    for path in chosen:
        click.echo(f"== {path.stem}")
        status = subprocess.run([sys.executable, str(path)], cwd=path.parents[1]).returncode
        if status:
            raise click.ClickException(f"{path.name} ended with status {status}.")


def folder() -> Path:
    """Where the benchmarks of a source checkout are."""
    return Path(snnjax.__file__).parents[1] / "benchmarks"


def scripts() -> dict[str, Path]:
    """The benchmarks by name."""
    found = {p.stem: p for p in sorted(folder().glob("[a-z]*.py"))}
    if not found or not (folder().parent / "pyproject.toml").is_file():
        raise click.ClickException(
            f"There are no benchmarks in {folder()}: they come with the source code. "
            "Clone the repository and install it with `pip install --editable .`."
        )
    return found


def _first_line(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.split("\n", maxsplit=1)[0]
