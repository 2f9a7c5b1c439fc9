"""Values against time."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snnjax.core.simulate import Solution
from snnjax.plot.style import LABELS, array, colour, legend, one, stacked


def traces(
    sol: Solution | dict[str, Any],
    *,
    ts: Any = None,
    current: Any = None,
    labels: dict[str, str] | None = None,
    ax: Any = None,
) -> Axes | np.ndarray:
    """Recorded values against time, in ms, one panel a quantity.

    - `sol`: of `simulate` with `record=Trace("v")` or `Trace("v", "m", "h", "n")`, or a
      dictionary of arrays, time first, with `ts`. A second axis of an array is drawn as so
      many lines. Fields that all stay in 0 .. 1 (gates) share a panel.
    - `current`: the input to draw below, at the same times: an array, or an input of
      `snnjax.inputs`.
    - `labels`: of the vertical axes by name, such as `{"w": "$w$ (pA)"}`.
    - `ax`: as many axes as there are panels.

    Returns the axes, or an array of them for several panels.
    """
    ys, ts = _values(sol, ts)
    labels = {**LABELS, **(labels or {})}
    gates = [k for k, y in ys.items() if k != "v" and y.min() >= 0 and y.max() <= 1]
    groups = [[k] for k in ys if k not in gates] + [gates] * bool(gates)
    if current is not None:
        ys["current"] = _current(current, ts)
        groups.append(["current"])
    heights = [0.5 if g == ["current"] else 1.0 for g in groups]
    axes = stacked(ax, len(groups), heights)
    for panel, group in zip(axes, groups, strict=True):
        for i, name in enumerate(group):
            _lines(panel, ts, ys[name], name, i, alone=len(group) == 1)
        panel.set_ylabel(labels.get(group[0], group[0]) if len(group) == 1 else "gates")
        if len(group) > 1:
            legend(panel, ncols=len(group), loc="upper right")
    axes[-1].set_xlabel(LABELS["time"])
    return axes[0] if len(axes) == 1 else axes


def _lines(panel: Axes, ts, y, name: str, i: int, alone: bool) -> None:
    several = y.reshape(len(ts), -1)
    for k in range(several.shape[1]):
        many = alone and several.shape[1] > 1
        panel.plot(
            ts,
            several[:, k],
            color=colour(k if many else i),
            lw=1.2,
            label=None if many else name,
        )


def _values(sol: Any, ts: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    ys = sol.ys if isinstance(sol, Solution) else sol
    if isinstance(sol, Solution):
        ts = sol.ts
    if ts is None:
        raise ValueError("plot.traces needs ts= (ms) with a dictionary of arrays.")
    ys = dict(ys) if isinstance(ys, dict) else {"v": ys}
    ts = next(iter(ts.values())) if isinstance(ts, dict) else ts
    ys = {name: array(y) for name, y in ys.items()}
    ts = array(ts)
    for name, y in ys.items():
        if y.shape[:1] != ts.shape:
            raise ValueError(
                f"plot.traces: {name} has shape {y.shape}, but there are {ts.shape} times. "
                "Record it with Trace, without which a run keeps spikes only."
            )
    return ys, ts


def _current(current: Any, ts: np.ndarray) -> np.ndarray:
    if hasattr(current, "at"):
        current = current.at(ts)
    return np.broadcast_to(array(current), ts.shape)


def spectrum(frequency: Any, power: Any, *, ax: Axes | None = None, **kwargs: Any) -> Axes:
    """Power (any unit) against frequency in Hz, on a logarithmic scale of power."""
    ax = one(ax)
    ax.semilogy(array(frequency), array(power), **{"color": colour(0), "lw": 1.2, **kwargs})
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel("power")
    return ax


def steady_states(
    v: Any, states: dict[str, Any], time_constants: dict[str, Any], *, ax: Any = None
) -> np.ndarray:
    """Steady state and time constant of each gate against voltage: two panels.

    - `v`: mV. `states`, `time_constants` (ms): by gate, as `HodgkinHuxley.steady_states(v)`
      and `HodgkinHuxley.time_constants(v)` give them.
    """
    top, bottom = axes = stacked(ax, 2)
    for i, name in enumerate(states):
        top.plot(array(v), array(states[name]), color=colour(i), label=f"${name}_\\infty$")
        tau = array(time_constants[name])
        bottom.plot(array(v), tau, color=colour(i), label=f"$\\tau_{name}$")
    top.set_ylabel("steady state")
    bottom.set_ylabel("time constant (ms)")
    bottom.set_xlabel("$v$ (mV)")
    for panel in axes:
        legend(panel)
    return axes
