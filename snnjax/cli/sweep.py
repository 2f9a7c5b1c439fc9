"""`snnjax sweep`: a measure of one cell over a grid of its parameters."""

import math
from pathlib import Path
from typing import Any

import click
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from snnjax.cli import discover, figures, files
from snnjax.cli.cell import Cell
from snnjax.cli.measure import MEASURES, Window, of_a_trace
from snnjax.cli.options import (
    cell_options,
    command_line,
    plot_option,
    progress_option,
    save_option,
    show_bar,
    table,
)
from snnjax.cli.values import MOST, Axis, Finite, Over
from snnjax.core.checks import whole_steps
from snnjax.core.neuron import AbstractFiringNeuron
from snnjax.core.progress import bar
from snnjax.core.provenance import provenance
from snnjax.core.run import finite_leaves
from snnjax.core.simulate import simulate

MEMORY = 256e6  # bytes that a chunk may take
ROWS = 24  # of a table on the screen


def _measures(ctx: Any, param: Any, given: tuple[str, ...]) -> list[str]:
    names = [name.strip() for text in given for name in text.split(",")]
    return list(dict.fromkeys(discover.match(n, MEASURES, "measure") for n in names))


_LISTING = "; ".join(f"{name} ({m.help})" for name, m in MEASURES.items())


@click.command()
@cell_options(duration=500.0)
@click.option(
    "--over",
    type=Over(),
    multiple=True,
    required=True,
    help="What to vary: `current` or a parameter, from START to STOP in N values, both ends "
    "included, or NAME=A,B,C. Repeat it for a grid.",
)
@click.option(
    "--measure",
    "names",
    metavar="NAMES",
    multiple=True,
    default=["firing_rate"],
    callback=_measures,
    help=f"What to measure, several with commas: {_LISTING}. [default: firing_rate]",
)
@click.option(
    "--discard",
    type=Finite(),
    default=0.0,
    show_default="0",
    help="Leave out this much at the beginning of a run, ms (but for latency).",
)
@plot_option
@save_option
@progress_option
def sweep(
    over: tuple[Axis, ...],
    names: list[str],
    discard: float,
    plot: Path | None,
    save: Path | None,
    progress: bool | None,
    **options: Any,
) -> None:
    """Measure one cell of MODEL at each point of a grid.

    \b
    Examples:
      snnjax sweep LIF --over current=0:500:101 --duration 1000 --dt 0.1 --plot fi.png
      snnjax sweep HodgkinHuxley --over current=0:20:41 --over g_na=80:160:9 \\
          --duration 200 --discard 50 --plot map.png --save map.npz
      snnjax sweep HodgkinHuxley --over temperature=0:20:11 --current 20 --stop 1 \\
          --duration 20 --measure peak,half_width

    All points of a chunk run at once. A measure that a run does not have, such as the latency
    of a silent cell, is empty (NaN).
    """
    cell = Cell.of(**options)
    axes = _axes(cell, over)
    first = whole_steps(discard, cell.dt, "--discard")
    if not first < cell.n_steps:
        raise click.UsageError(f"--discard {discard:g} leaves nothing of the run.")
    model = _check(cell, axes, names)
    if plot is not None and len(axes) > 2:
        raise click.UsageError("A figure has room for one or two --over.")
    window = Window(cell.dt, first, cell.n_steps, cell.start)
    found, lost = run(cell, axes, names, window, show_bar(progress))
    fields = discover.state_fields(model)
    units = {n: MEASURES[n].unit for n in names}
    units = {n: discover.unit_of(fields["v"]) if u is None else u for n, u in units.items()}
    over_columns = {a.name: files.Column(a.values, _unit(cell, a.name)) for a in axes}
    columns = {n: files.Column(found[n], units[n]) for n in names}
    flat = _flat(over_columns, columns)
    made = provenance(model, found[names[0]].dtype)
    shape = " x ".join(str(len(axis.values)) for axis in axes)
    click.echo(
        f"{cell.name}, {shape} runs of {cell.n_steps * cell.dt:g} ms in steps of "
        f"{cell.dt:g} ms"
    )
    click.echo(_report({n: flat[n] for n in over_columns}, {n: flat[n] for n in names}))
    click.echo(table([("made", made)]))
    if lost:
        click.echo(
            f"Warning: {lost} of {found[names[0]].size} runs did not stay finite and are "
            "empty. Try a smaller --dt.",
            err=True,
        )
    if save is not None:
        whole = flat if save.suffix.lower() == ".csv" else over_columns | columns
        files.write(save, whole, {"command": command_line(), "made": made})
        click.echo(f"Data in {save}.")
    if plot is not None:
        panels = figures.sweep(over_columns, columns)
        figures.room().save(panels, plot, about=command_line())
        click.echo(f"Figure in {plot}.")


def run(
    cell: Cell, axes: list[Axis], names: list[str], window: Window, show: bool
) -> tuple[dict[str, np.ndarray], int]:
    """(each measure on the grid of `axes`, how many runs did not stay finite)."""
    recorders = {name: MEASURES[name].record(window) for name in names}

    def point(values: dict[str, Any], key: Any) -> tuple[dict[str, Any], Any]:
        model = cell.model(**{n: x for n, x in values.items() if n != "current"})
        drive = cell.drive(model, values.get("current", cell.current))
        length = dict(n_steps=cell.n_steps, throw=False)
        sol = simulate(model, drive, cell.dt, **length, record=recorders, key=key)
        ok = finite_leaves(sol.final)[0].all()
        found = {n: MEASURES[n].finish(sol.ys[n], window, model) for n in names}
        return {n: jnp.where(ok, x, jnp.nan) for n, x in found.items()}, ok

    grid = np.meshgrid(*(axis.values for axis in axes), indexing="ij")
    flat = {a.name: x.ravel() for a, x in zip(axes, grid, strict=True)}
    total, pieces = grid[0].size, []
    keys = jax.random.split(cell.key, total)
    chunk = _chunk(total, names, cell.n_steps)
    batch = eqx.filter_jit(jax.vmap(point))
    for start in bar(range(0, total, chunk), show, cell.name, unit="chunk"):
        # The last chunk goes around to the first points, so that nothing compiles anew.
        rows = np.arange(start, start + chunk) % total
        part = batch({n: jnp.asarray(x[rows], float) for n, x in flat.items()}, keys[rows])
        pieces.append(jax.tree.map(np.asarray, part))
    found, ok = jax.tree.map(lambda *x: np.concatenate(x)[:total], *pieces)
    shape = grid[0].shape
    return {n: x.reshape(shape) for n, x in found.items()}, int(total - ok.sum())


def _chunk(total: int, names: list[str], n_steps: int) -> int:
    """Points to run at once: few enough for memory, and for the bar to move."""
    trace = 16 * n_steps if any(MEASURES[n].record is of_a_trace for n in names) else 0
    most = int(MEMORY / (4 * (1000 + trace)))
    return max(1, min(total, most, max(256, -(-total // 10))))


def _axes(cell: Cell, over: tuple[Axis, ...]) -> list[Axis]:
    axes = [
        a if a.name == "current" else Axis(cell.recipe.name(a.name), a.values) for a in over
    ]
    for axis in axes:
        taken = [a.name for a in axes].count(axis.name) > 1 or axis.name in cell.values
        if taken or (axis.name == "current" and cell.current):
            raise click.UsageError(f"{axis.name} is given twice.")
        if axis.name != "current" and cell.recipe.settings[axis.name].choices is not None:
            raise click.UsageError(f"{axis.name} is no number to vary.")
    total = math.prod(len(axis.values) for axis in axes)
    if total > MOST:
        raise click.UsageError(f"A grid of {total} points is more than {MOST}.")
    return axes


def _check(cell: Cell, axes: list[Axis], names: list[str]) -> Any:
    """The model at an end of each axis; refuses bad values and what cannot be measured."""
    varied = {axis.name: axis.values for axis in axes if axis.name != "current"}
    for pick in (np.min, np.max):
        model = cell.model(**{name: float(pick(x)) for name, x in varied.items()})
    if len(varied) < len(axes) and discover.input_unit(cell.recipe.model) is None:
        raise click.UsageError(f"{cell.name} is not driven by a current.")
    if "half_width" in names and isinstance(model, AbstractFiringNeuron):
        raise click.UsageError(
            f"{cell.name} has no half_width: v is reset where it fires. It takes a model "
            "that shows its spikes, such as HodgkinHuxley."
        )
    return model


def _flat(
    axes: dict[str, files.Column], found: dict[str, files.Column]
) -> dict[str, files.Column]:
    """A row a point instead of a grid."""
    grid = np.meshgrid(*(c.values for c in axes.values()), indexing="ij")
    where = dict(zip(axes, grid, strict=True))
    return {
        **{name: files.Column(x.ravel(), axes[name].unit) for name, x in where.items()},
        **{name: files.Column(c.values.ravel(), c.unit) for name, c in found.items()},
    }


def _unit(cell: Cell, name: str) -> str:
    if name == "current":
        return cell.unit
    spec = cell.recipe.settings[name].spec
    return spec.unit if spec is not None else ""


def _report(where: dict[str, files.Column], found: dict[str, files.Column]) -> str:
    """All points if they are few; otherwise the range of each measure, and some of a line."""
    columns = where | found
    total = len(next(iter(columns.values())).values)
    rows = []
    if total > ROWS:
        for name, (x, unit) in found.items():
            empty = int(np.isnan(x).sum())
            rows.append(
                (f"{name}:", _range(x, unit, where) + (f", {empty} empty" if empty else ""))
            )
    text = table(rows) + "\n\n" if rows else ""
    if total > ROWS and len(where) > 1:
        return text.rstrip()
    some = np.unique(np.linspace(0, total - 1, min(total, ROWS)).round().astype(int))
    header = tuple(f"{n} ({c.unit})" if c.unit else n for n, c in columns.items())
    cells = ([f"{x:.6g}" for x in c.values[some]] for c in columns.values())
    return text + table([header, *zip(*cells, strict=True)])


def _range(x: np.ndarray, unit: str, where: dict[str, files.Column]) -> str:
    if np.isnan(x).all():
        return "empty everywhere"
    ends = []
    for i in (np.nanargmin(x), np.nanargmax(x)):
        at = ", ".join(f"{n} {c.values[i]:.5g}" for n, c in where.items())
        ends.append(f"{x[i]:.5g} {unit}".strip() + f" ({at})")
    return " to ".join(ends)
