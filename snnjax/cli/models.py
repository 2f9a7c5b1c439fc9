"""`snnjax models`: what there is, and what can be set."""

import textwrap
from typing import Any

import click
import numpy as np

from snnjax.cli import discover
from snnjax.cli.options import table


@click.command()
@click.argument("model", required=False)
@click.option("--preset", metavar="NAME", help="List its values instead of the defaults.")
@click.option("--all", "everything", is_flag=True, help="List what is deep inside, too.")
@click.option(
    "--doc", is_flag=True, help="Print the model's documentation, with equations."
)
def models(model: str | None, preset: str | None, everything: bool, doc: bool) -> None:
    """List all neurons, or what can be set of one MODEL.

    \b
    Examples:
      snnjax models
      snnjax models hodgkin-huxley
      snnjax models MorrisLecar --preset snic
      snnjax models LIF --doc
    """
    if model is None:
        if preset is not None or everything or doc:
            raise click.UsageError("Say which MODEL.")
        click.echo("Neurons:")
        found = discover.models().items()
        click.echo(table([(name, discover.summary(x)) for name, x in found]))
        click.echo("\n`snnjax models NAME` lists the parameters of one.")
        return
    cls = discover.find_model(model)
    if doc:
        click.echo(_documentation(cls))
        return
    click.echo(f"{cls.__name__}: {discover.summary(cls)}")
    recipe = discover.Recipe.of(cls, preset)
    _echo_settings(recipe, everything)
    if not any(s.needed for s in recipe.settings.values()):
        _echo_section("State", [*discover.state_fields(recipe.make()).items()])
    presets = discover.presets(cls).items()
    _echo_section("Presets", [(name, discover.summary(f)) for name, f in presets])
    if end := discover.input_and_source(cls):
        click.echo(f"\n{end}")


def _echo_settings(recipe: discover.Recipe, everything: bool) -> None:
    parameters, options, hidden = [], [], 0
    for name, setting in recipe.settings.items():
        if setting.choices is not None:
            choices = " or ".join(str(c).lower() for c in setting.choices)
            options.append((name, str(setting.value).lower(), choices))
        elif name.count(".") >= discover.DEEP and not everything:
            hidden += 1
        else:
            value = "required" if setting.needed else _short(setting.value)
            parameters.append((name, value, setting.spec or ""))
    _echo_section("Parameters", parameters)
    if hidden:
        click.echo(f"  and {hidden} inside its parts: --all")
    _echo_section("Options", options)


def _echo_section(title: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        click.echo(f"\n{title}:")
        click.echo(table(rows))


def _documentation(cls: type) -> str:
    doc = textwrap.dedent(cls.__doc__ or "").strip()
    return f"{cls.__name__}: {doc}"


def _short(value: Any) -> str:
    if value is None:
        return "none"
    return ",".join(f"{x:g}" for x in np.ravel(value))
