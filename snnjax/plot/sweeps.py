"""What a sweep found, against its parameters."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from snnjax.core import checks
from snnjax.plot.style import LABELS, LINES, array, colour, legend, panels
from snnjax.plot.tables import heatmap

POINT = "point"  # what `SweepResult` calls the dimension of samples
FEW = 60  # up to so many points of a line are marked
WAY_OUT = "Take a part of it, with result.sel(parameter=value) or result.isel(parameter=0)."


def sweep(
    result: Any,
    name: str | Sequence[str] | None = None,
    *,
    ts: Any = None,
    labels: dict[str, str] | None = None,
    ax: Any = None,
) -> Axes | np.ndarray:
    """What a sweep found, against the parameters it went over: a panel an output.

    | points                   | a number a point            | a trace a point            |
    |--------------------------|-----------------------------|----------------------------|
    | one parameter            | a line                      | lines coloured by its value |
    | two parameters           | a map of colours            | -                          |
    | samples, as from `sobol` | dots, a panel a parameter   | lines, if of one parameter |
    | and choices (`static`)   | a line each, with a legend  | the same, if nothing else  |

    Traces stand to the left of numbers. A value that is not finite leaves a gap; so do points
    where the function raised.

    - `result`: of `sweep`, or of its `sel` and `isel`.
    - `name`: one output, or several; all by default.
    - `ts`: times of traces, ms; their samples are counted without it.
    - `labels`: of outputs and parameters by name, such as `{"g_na": "$g_{Na}$ (mS/cm$^2$)"}`.
    - `ax`: as many axes as there are panels: of traces, then of numbers.

    Returns the axes, or an array of them for several panels.
    """
    labels = {n: n for n in (*result.arrays, *result.points.axes)} | (labels or {})
    names = _names(result, name)
    layout = _Layout.of(result)
    traces = [n for n in names if layout.own_axes(n)]
    numbers = [n for n in names if n not in traces]
    draw_numbers, columns = _numbers(layout, labels) if numbers else (None, 1)
    if traces:
        layout.check_traces(traces)
    n = len(traces) + len(numbers) * columns
    axes = _figure(len(traces), len(numbers), columns) if ax is None else ax
    axes = panels(axes, n)
    if traces:
        _traces(layout, traces, ts, labels, axes[: len(traces)])
    if draw_numbers is not None:
        draw_numbers(numbers, axes[len(traces) :].reshape(len(numbers), columns))
    return axes[0] if n == 1 else axes


def _names(result: Any, name: Any) -> list[str]:
    asked = (
        list(result.arrays) if name is None else [name] if isinstance(name, str) else name
    )
    return [checks.one_of(n, result.arrays, "plot.sweep.name") for n in asked]


class _Layout(NamedTuple):
    """The parts of a result that are drawn each for itself, and the dimensions of each."""

    parts: list[tuple[str, Any]]  # what it is called in a legend, and the part
    dims: list[str]

    @classmethod
    def of(cls, result: Any) -> "_Layout":
        points = result.points
        if not points.dims:
            raise ValueError(
                "plot.sweep: one point has nothing to be drawn against. Take a part of the "
                "result that has several, with result.sel or result.isel."
            )
        # A parameter with one value is none to draw against, unless there is no other.
        single = [d for d, n in points.dims.items() if n == 1]
        single = single[len(single) == len(points.dims) :]
        result = result.isel(**dict.fromkeys(single, 0))
        points = result.points
        choices = [d for d in points.dims if d != POINT and points.axes[d].static]
        if len(choices) == len(points.dims):
            number = lambda d: result.coords[d].dtype.kind in "biuf"
            choices.remove(next(filter(number, choices[::-1]), choices[-1]))
        parts = []
        for places in itertools.product(*(range(points.dims[d]) for d in choices)):
            at = dict(zip(choices, places, strict=True))
            text = ", ".join(f"{d} = {result.coords[d][i]}" for d, i in at.items())
            parts.append((text, result.isel(**at)))
        return cls(parts, [d for d in points.dims if d not in choices])

    @property
    def parameters(self) -> list[str]:
        """Along the dimensions of a part."""
        return list(self.parts[0][1].points.axes)

    def own_axes(self, name: str) -> int:
        """How many the output has at each point."""
        own = self.parts[0][1].arrays[name].ndim - len(self.dims)
        if own > 1:
            raise ValueError(
                f"plot.sweep: {name} has {own} axes at each point, but is drawn if it is a "
                "number or a trace. Let the function give the part of it to be seen."
            )
        return own

    def check_traces(self, names: list[str]) -> None:
        if len(self.parts) > 1 or len(self.parameters) > 1:
            over = [*self.parameters, *(["choices"] if len(self.parts) > 1 else [])]
            raise ValueError(
                f"plot.sweep: traces ({', '.join(names)}) are drawn over one parameter, not "
                f"over {', '.join(over)}. {WAY_OUT} name= picks other outputs."
            )


def _figure(n_traces: int, n_numbers: int, columns: int) -> list[Axes]:
    """Panels of a new figure: those of traces on the left."""
    kinds = [(n_traces, 1, 6.0, 3.0), (n_numbers, columns, 3.4 if n_traces else 5.4, 1.5)]
    kinds = [kind for kind in kinds if kind[0]]
    widths = [width if columns == 1 else 2.6 * columns for _, columns, width, _ in kinds]
    height = max(1.2 + each * n for n, _, _, each in kinds)
    if not n_traces and n_numbers == 1:
        height = 3.4
    figure = plt.figure(figsize=(sum(widths), height), layout="constrained")
    sides = figure.add_gridspec(1, len(kinds), width_ratios=widths)
    made = [
        side.subgridspec(n, columns).subplots(sharex="col", sharey="row", squeeze=False)
        for side, (n, columns, *_) in zip(sides, kinds, strict=True)
    ]
    return [ax for axes in made for ax in axes.ravel()]


def _values(result: Any, name: str) -> np.ndarray:
    """With NaN for what is not finite, and for integers of points that gave nothing."""
    values = array(result.arrays[name]).astype(float)
    values[~result.ran] = np.nan
    return np.where(np.isfinite(values), values, np.nan)


def _numbers(layout: _Layout, labels: dict[str, str]) -> tuple[Callable, int]:
    """(how to draw a number a point, how many panels an output takes)."""
    if layout.dims == [POINT]:
        return lambda names, axes: _dots(layout, names, labels, axes), len(
            layout.parameters
        )
    if len(layout.dims) == 1:
        return lambda names, axes: _lines(layout, names, labels, axes), 1
    if len(layout.dims) == 2 and len(layout.parts) == 1 and POINT not in layout.dims:
        return lambda names, axes: _maps(layout, names, labels, axes), 1
    choices = f" and {len(layout.parts)} choices" if len(layout.parts) > 1 else ""
    raise ValueError(
        "plot.sweep draws numbers over one or two parameters, one with choices, or samples; "
        f"this result has {', '.join(layout.dims)}{choices}. {WAY_OUT}"
    )


def _lines(layout: _Layout, names: list[str], labels: dict[str, str], axes) -> None:
    (over,) = layout.dims
    for i, (name, (panel,)) in enumerate(zip(names, axes, strict=True)):
        for k, (text, part) in enumerate(layout.parts):
            x, y = part.coords[over], _values(part, name)
            order = slice(None) if x.dtype.kind in "US" else np.argsort(x, kind="stable")
            few = "." if len(x) < FEW else ""
            style = dict(marker=few, lw=1.2, color=colour(k if text else i))
            panel.plot(x[order], y[order], label=text or None, **style)
        panel.set_ylabel(labels[name])
    axes[-1, 0].set_xlabel(labels[over])
    legend(axes[0, 0])


def _dots(layout: _Layout, names: list[str], labels: dict[str, str], axes) -> None:
    for i, (name, row) in enumerate(zip(names, axes, strict=True)):
        for over, panel in zip(layout.parameters, row, strict=True):
            for k, (text, part) in enumerate(layout.parts):
                style = dict(ls="", ms=3, marker="o", mew=0, alpha=0.7)
                style |= dict(color=colour(k if text else i), label=text or None)
                panel.plot(part.coords[over], _values(part, name), **style)
            panel.set_xlabel(labels[over] if i == len(names) - 1 else "")
        row[0].set_ylabel(labels[name])
    legend(axes[0, 0])


def _maps(layout: _Layout, names: list[str], labels: dict[str, str], axes) -> None:
    ((_, part),) = layout.parts
    across, up = layout.dims
    x, y = part.coords[across], part.coords[up]
    order = np.ix_(np.argsort(x), np.argsort(y))
    for name, (panel,) in zip(names, axes, strict=True):
        grid = dict(x=np.sort(x), y=np.sort(y), xlabel=labels[across], ylabel=labels[up])
        heatmap(_values(part, name)[order].T, **grid, label=labels[name], ax=panel)
        panel.label_outer()


def _traces(layout: _Layout, names: list[str], ts: Any, labels: dict[str, str], axes):
    ((_, part),), (over,) = layout.parts, layout.parameters
    values = part.coords[over]
    numbers = not part.points.axes[over].static
    scale = ScalarMappable(Normalize(*_ends(values)) if numbers else None, LINES)
    for name, panel in zip(names, axes, strict=True):
        for i, (value, y) in enumerate(zip(values, _values(part, name), strict=True)):
            style = dict(color=scale.to_rgba(value)) if numbers else dict(color=colour(i))
            label = None if numbers else f"{value}"
            panel.plot(_times(ts, y, name), y, lw=1.2, label=label, **style)
        panel.set_ylabel(labels[name] if labels[name] != name else LABELS.get(name, name))
    axes[-1].set_xlabel("sample" if ts is None else LABELS["time"])
    if numbers:
        axes[0].figure.colorbar(scale, ax=list(axes), label=labels[over])
    else:
        legend(axes[0], title=labels[over])


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _times(ts: Any, y: np.ndarray, name: str) -> np.ndarray:
    if ts is None:
        return np.arange(len(y))
    ts = array(ts)
    if ts.shape != y.shape:
        raise ValueError(
            f"plot.sweep.ts must be the {len(y)} times of {name}, ms, got shape {ts.shape}."
        )
    return ts
