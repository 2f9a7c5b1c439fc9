"""`snnjax simulate`: one cell, a table, a figure and a file."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from snnjax.cli import discover, figures, files
from snnjax.cli.cell import Cell
from snnjax.cli.options import (
    cell_options,
    command_line,
    plot_option,
    save_option,
    table,
)
from snnjax.core import simulate as core
from snnjax.core.recorders import Trace
from snnjax.measures import cv, isi, spike_times


@click.command()
@cell_options(duration=100.0)
@click.option(
    "--record",
    metavar="NAMES",
    help="State to keep, such as v,m,h,n; `snnjax models MODEL` lists it. [default: v]",
)
@plot_option
@save_option
def simulate(
    record: str | None, plot: Path | None, save: Path | None, **options: Any
) -> None:
    """Run one cell of MODEL under a step of current.

    \b
    Examples:
      snnjax simulate LIF --current 250 --duration 200 --dt 0.1
      snnjax simulate HodgkinHuxley --set g_na=100 --current 10 --start 10 --stop 15 \\
          --duration 40 --record v,m,h,n --plot hh.png --save hh.npz
      snnjax simulate Izhikevich --preset chattering --current 10 --integrator rk4 --save v.csv

    The current is on from --start up to, but not at, --stop. The data hold the time `t` (ms,
    the ends of the steps), what was recorded, `spikes` (0 or 1) and `current`.
    """
    cell = Cell.of(**options)
    model = cell.model()
    fields = discover.state_fields(model)
    asked = [name.strip() for name in (record or "v").split(",")]
    what = f"state of {cell.name} called"
    names = list(dict.fromkeys(discover.match(name, fields, what) for name in asked))
    recorders = {name: Trace(name) for name in names}
    sol = core.simulate(
        model,
        cell.drive(model, cell.current),
        cell.dt,
        n_steps=cell.n_steps,
        record={"traces": recorders, "spikes": Trace("output")},
        key=cell.key,
    )
    t, spikes = sol.ts["spikes"], np.asarray(sol.ys["spikes"])
    columns = {"t": files.Column(t, "ms")}
    for name in names:
        unit = discover.unit_of(fields[name])
        columns[name] = files.Column(np.asarray(sol.ys["traces"][name]), unit)
    columns["spikes"] = files.Column(spikes.astype(np.int8), "")
    current = np.asarray(cell.waveform(cell.current).array(cell.dt, cell.n_steps))
    columns["current"] = files.Column(current, cell.unit)
    click.echo(_headline(cell))
    click.echo(table([*_rows(cell, spikes, columns, names), ("made", sol.made)]))
    if save is not None:
        files.write(save, columns, {"command": command_line(), "made": sol.made})
        click.echo(f"Data in {save}.")
    if plot is not None:
        figures.room().save(_draw(columns, names), plot, about=command_line())
        click.echo(f"Figure in {plot}.")


def _headline(cell: Cell) -> str:
    until = "to the end" if cell.stop is None else f"to {cell.stop:g} ms"
    current = f"{f'{cell.current:g} {cell.unit}'.strip()} from {cell.start:g} {until}"
    return (
        f"{cell.name}, {cell.n_steps * cell.dt:g} ms in steps of {cell.dt:g} ms, "
        f"{current if cell.current else 'no current'}"
    )


def _rows(
    cell: Cell, spikes: np.ndarray, columns: dict[str, files.Column], names: list[str]
) -> list[tuple[str, str]]:
    times = spike_times(spikes, cell.dt)
    rows = [
        ("spikes", f"{len(times)}"),
        (
            "rate",
            f"{1e3 * len(times) / (cell.n_steps * cell.dt):.4g} Hz over the whole run",
        ),
    ]
    if len(times):
        rows.append(("first spike", f"{times[0]:.6g} ms"))
    if len(times) > 1:
        intervals = isi(times)
        variation = f", CV {cv(intervals):.3f}" if len(intervals) > 1 else ""
        rows.append(("mean interval", f"{intervals.mean():.4g} ms{variation}"))
    if "dimensionless" in discover.input_and_source(cell.recipe.model):
        rows.append(("units", "the model has none; its time is called ms"))
    for name in names:
        values, unit = columns[name]
        rows.append((name, f"{values.min():.6g} to {values.max():.6g} {unit}".rstrip()))
    return rows


def _draw(columns: dict[str, files.Column], names: list[str]) -> Any:
    return figures.room().traces(
        {name: columns[name].values for name in names},
        ts=columns["t"].values,
        current=columns["current"].values,
        labels={n: figures.label(n, columns[n].unit) for n in (*names, "current")},
    )
