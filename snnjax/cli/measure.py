"""What `snnjax sweep` measures of each run, and what has to be recorded for it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.cli.cell import Cell
from snnjax.core.recorders import Reduce, Trace
from snnjax.core.run import finite_leaves
from snnjax.core.simulate import simulate
from snnjax.measures import ap_features, finish_isi, running_isi, update_isi

# What `measured` gives beside the measures.
FINITE, TRACE = "finite", "v"


class Window(NamedTuple):
    """The part of a run that is measured."""

    dt: float  # ms
    first: int  # step
    n_steps: int  # of the whole run
    start: float  # of the current, ms


class Measure(NamedTuple):
    """A number of a run: what to record for it, and how it comes out of that."""

    unit: str | None  # None is that of v
    help: str
    record: Callable[[Window], Any]
    finish: Callable[[Any, Window, Any], Any]


def _since_first(update: Callable, start: Any) -> Callable[[Window], Reduce]:
    def record(window: Window) -> Reduce:
        def function(carry, now, state, output):
            new = update(carry, now, state, output)
            keep = now.step >= window.first
            return jax.tree.map(lambda x, old: jnp.where(keep, x, old), new, carry)

        return Reduce(function, start() if callable(start) else start)

    return record


def _latency(window: Window) -> Reduce:
    begin = round(window.start / window.dt)
    function = lambda carry, now, state, output: jnp.where(
        (carry < 0) & (output > 0) & (now.step >= begin), now.step, carry
    )
    return Reduce(function, np.int32(-1))


def _of_a_trace(window: Window) -> Trace:
    return Trace("v")


def _half_width(v: Any, window: Window, model: Any) -> Any:
    level = getattr(model, "full", model).spike_level
    rest = model.init(()).v if not model.stochastic else v[0]
    start = window.first * window.dt
    return ap_features(v, window.dt, level=level, base=rest, start=start).half_width


_count = _since_first(lambda n, now, state, output: n + (output > 0), np.int32(0))

MEASURES = {
    "firing_rate": Measure(
        "Hz",
        "spikes per second",
        _count,
        lambda n, w, model: 1e3 * n / ((w.n_steps - w.first) * w.dt),
    ),
    "spike_count": Measure("", "number of spikes", _count, lambda n, w, model: n),
    "latency": Measure(
        "ms",
        "from --start to the first spike",
        _latency,
        lambda i, w, model: jnp.where(i < 0, jnp.nan, (i + 1) * w.dt - w.start),
    ),
    "cv": Measure(
        "",
        "coefficient of variation of the intervals",
        _since_first(lambda s, now, state, output: update_isi(s, output), running_isi),
        lambda s, w, model: finish_isi(s, w.dt).cv,
    ),
    "peak": Measure(
        None,
        "largest v",
        _since_first(lambda x, now, state, output: jnp.maximum(x, state.v), -np.inf),
        lambda x, w, model: x,
    ),
    "minimum": Measure(
        None,
        "smallest v",
        _since_first(lambda x, now, state, output: jnp.minimum(x, state.v), np.inf),
        lambda x, w, model: x,
    ),
    "half_width": Measure(
        "ms",
        "of the first spike, halfway between rest and its peak",
        _of_a_trace,
        _half_width,
    ),
}


def measured(cell: Cell, names: list[str], window: Window, trace: bool) -> Callable:
    """The function to be swept: measures of `cell` with other values of some parameters.

    A run that did not stay finite has none of them. It gives `FINITE` too, and v as `TRACE`
    if asked for.
    """
    recorders = {name: MEASURES[name].record(window) for name in names}
    recorders |= {TRACE: Trace("v")} if trace else {}

    def point(key, **values):
        model = cell.model(**{n: x for n, x in values.items() if n != "current"})
        drive = cell.drive(model, values.get("current", cell.current))
        length = dict(n_steps=cell.n_steps, throw=False)
        sol = simulate(model, drive, cell.dt, **length, record=recorders, key=key)
        ok = finite_leaves(sol.final)[0].all()
        found = {n: MEASURES[n].finish(sol.ys[n], window, model) for n in names}
        found |= {TRACE: sol.ys[TRACE]} if trace else {}
        return {n: jnp.where(ok, x, jnp.nan) for n, x in found.items()} | {FINITE: ok}

    return point
