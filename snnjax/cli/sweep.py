"""`snnjax sweep`: measures of one cell at many values of its parameters."""

import contextlib
import math
import os
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

from snnjax import sweeps
from snnjax.cli import discover, figures, files
from snnjax.cli.cell import Cell
from snnjax.cli.measure import FINITE, MEASURES, TRACE, Window, measured
from snnjax.cli.options import (
    cell_options,
    command_line,
    folder,
    plot_option,
    progress_option,
    save_option,
    show_bar,
    table,
)
from snnjax.cli.report import report
from snnjax.cli.values import MOST, Axis, Finite, Over
from snnjax.core.checks import whole_steps
from snnjax.core.cores import use_cores
from snnjax.core.neuron import AbstractFiringNeuron
from snnjax.core.provenance import provenance
from snnjax.sweeps.job import NOT_RUN

LINES = 100  # of --traces
METHODS = {
    "latin-hypercube": sweeps.latin_hypercube,
    "sobol": sweeps.sobol,
    "uniform": sweeps.uniform,
}


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
    "included, or NAME=A,B,C. Repeat it for a grid. With --samples: NAME=START:STOP.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, MOST),
    metavar="N",
    help="Draw N points from the ranges of --over, by --seed, instead of a grid.",
)
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="latin-hypercube",
    show_default=True,
    help="How --samples are drawn.",
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
    help="Leave out this much at the beginning of a run, ms (but for latency and traces).",
)
@click.option(
    "--traces",
    is_flag=True,
    help="Keep v of each run, over one --over: drawn beside the measures by --plot, and in "
    "--save of .npz as `v`, by point and `t`.",
)
@click.option(
    "--store",
    type=folder,
    help="Keep finished batches in this folder: the same command goes on where it stopped.",
)
@plot_option
@save_option
@progress_option
def sweep(
    over: tuple[Axis, ...],
    samples: int | None,
    method: str,
    names: list[str],
    discard: float,
    traces: bool,
    store: Path | None,
    plot: Path | None,
    save: Path | None,
    progress: bool | None,
    **options: Any,
) -> None:
    """Measure one cell of MODEL at each point of a grid, or at samples.

    \b
    Examples:
      snnjax sweep LIF --over current=0:500:101 --duration 1000 --dt 0.1 --plot fi.png
      snnjax sweep HodgkinHuxley --over current=0:20:41 --over g_na=80:160:9 \\
          --duration 200 --discard 50 --plot map.png --save map.npz
      snnjax sweep HodgkinHuxley --over temperature=6.3:26:5 --current 20 --stop 1 \\
          --duration 20 --measure peak,half_width,firing_rate --traces --plot hh.png
      snnjax sweep HodgkinHuxley --samples 256 --over g_na=80:160 --over g_k=20:60 \\
          --current 10 --plot samples.png

    All points of a batch run at once, on all cores. A measure that a run does not have, such
    as the latency of a silent cell, is empty (NaN).
    """
    total = samples or math.prod(len(axis.values) for axis in over)
    _use_cores(total)
    cell = Cell.of(**options)
    axes = _axes(cell, over, samples)
    first = whole_steps(discard, cell.dt, "--discard")
    if not first < cell.n_steps:
        raise click.UsageError(f"--discard {discard:g} leaves nothing of the run.")
    model = _check(cell, axes, names)
    if plot is not None and len(axes) > 2 and samples is None:
        raise click.UsageError("A figure has room for one or two --over.")
    if traces:
        _check_traces(axes, total, plot, save)
    result = sweeps.sweep(
        measured(cell, names, Window(cell.dt, first, cell.n_steps, cell.start), traces),
        _points(axes, samples, method, options["seed"]),
        key=cell.key,
        store=store,
        progress=show_bar(progress),
    )
    if any(f.reason == NOT_RUN for f in result.failed):
        raise click.Abort
    fields = discover.state_fields(model)
    v_unit = discover.unit_of(fields["v"])
    units = {n: MEASURES[n].unit for n in names}
    units = {n: v_unit if u is None else u for n, u in units.items()}
    over_units = {axis.name: _unit(cell, axis.name) for axis in axes}
    where = {n: files.Column(x, over_units[n]) for n, x in result.parameters.items()}
    found = {n: files.Column(result[n].values, u) for n, u in units.items()}
    made = provenance(model, result[names[0]].values.dtype)
    shape = " x ".join(map(str, result.points.shape))
    click.echo(
        f"{cell.name}, {shape} runs of {cell.n_steps * cell.dt:g} ms in steps of "
        f"{cell.dt:g} ms"
    )
    click.echo(report(files.rows(where), files.rows(found)))
    click.echo(table([("made", made)]))
    lost = total - int(result[FINITE].values.sum())
    if lost:
        click.echo(
            f"Warning: {lost} of {total} runs did not stay finite and are empty. Try a "
            "smaller --dt.",
            err=True,
        )
    if save is not None:
        columns = files.rows(where | found)
        if save.suffix.lower() == ".npz":
            columns = {n: files.Column(result.coords[n], u) for n, u in over_units.items()}
            columns |= found
        if traces:
            columns["t"] = files.Column(_times(cell), "ms")
            columns["v"] = files.Column(result[TRACE].values, v_unit)
        files.write(save, columns, {"command": command_line(), "made": made})
        click.echo(f"Data in {save}.")
    if plot is not None:
        units |= over_units | {TRACE: v_unit}
        labels = {n: figures.label(n, u) for n, u in units.items()}
        labels |= {n: figures.label(n.replace("_", " "), units[n]) for n in names}
        drawn = [TRACE, *names] if traces else names
        panels = figures.room().sweep(result, drawn, ts=_times(cell), labels=labels)
        figures.room().save(panels, plot, about=command_line())
        click.echo(f"Figure in {plot}.")


def _use_cores(most: int) -> None:
    """Run on all cores, up to `most`, unless jax was told otherwise or has already started."""
    told = getattr(jax.config, "jax_num_cpu_devices", 0) > 0 or "device_count" in os.getenv(
        "XLA_FLAGS", ""
    )
    if not told:
        with contextlib.suppress(ValueError):
            use_cores(min(os.cpu_count() or 1, most))


def _times(cell: Cell) -> np.ndarray:
    return cell.dt * np.arange(1, cell.n_steps + 1)


def _points(axes: list[Axis], samples: int | None, method: str, seed: int) -> sweeps.Points:
    values = {axis.name: axis.values for axis in axes}
    if samples is None:
        return sweeps.grid(**values)
    return METHODS[method](samples, seed=seed, **values)


def _axes(cell: Cell, over: tuple[Axis, ...], samples: int | None) -> list[Axis]:
    axes = [
        a if a.name == "current" else a._replace(name=cell.recipe.name(a.name))
        for a in over
    ]
    for axis in axes:
        taken = [a.name for a in axes].count(axis.name) > 1 or axis.name in cell.values
        if taken or (axis.name == "current" and cell.current):
            raise click.UsageError(f"{axis.name} is given twice.")
        if axis.name != "current" and cell.recipe.settings[axis.name].choices is not None:
            raise click.UsageError(f"{axis.name} is no number to vary.")
        if axis.is_range != (samples is not None):
            form, when = (
                ("NAME=START:STOP", "with")
                if samples
                else ("NAME=START:STOP:N or NAME=A,B,C", "without")
            )
            raise click.UsageError(
                f"--over of {axis.name} must be of the form {form} {when} --samples."
            )
    total = math.prod(len(axis.values) for axis in axes)
    if total > MOST:
        raise click.UsageError(f"A grid of {total} points is more than {MOST}.")
    return axes


def _check_traces(
    axes: list[Axis], total: int, plot: Path | None, save: Path | None
) -> None:
    if len(axes) > 1 or total > LINES:
        raise click.UsageError(f"--traces takes one --over of at most {LINES} values.")
    if plot is None and save is None:
        raise click.UsageError("--traces is for --plot, or --save of .npz.")
    if save is not None and save.suffix.lower() == ".csv":
        raise click.UsageError("A .csv has no room for --traces: save an .npz.")


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


def _unit(cell: Cell, name: str) -> str:
    if name == "current":
        return cell.unit
    spec = cell.recipe.settings[name].spec
    return spec.unit if spec is not None else ""
