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
    ys, ts = values(sol, ts)
    own = labels or {}
    labels = {**LABELS, **own}
    gates = [k for k, y in ys.items() if k != "v" and y.min() >= 0 and y.max() <= 1]
    groups = [[k] for k in ys if k not in gates] + [gates] * bool(gates)
    n = len(groups) + (current is not None)
    axes = stacked(ax, n, [1.0] * len(groups) + [0.5] * (n - len(groups)))
    for panel, group in zip(axes, groups, strict=False):
        for i, name in enumerate(group):
            _lines(panel, ts, ys[name], name, i, alone=len(group) == 1)
        panel.set_ylabel(labels.get(group[0], group[0]) if len(group) == 1 else "gates")
        if len(group) > 1:
            legend(panel, ncols=len(group), loc="upper right")
    if current is not None:
        draw_current(axes[-1], ts, current, own)
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


def values(sol: Any, ts: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Arrays by name, time first, and their times."""
    ys = sol.ys if isinstance(sol, Solution) else sol
    if isinstance(sol, Solution):
        ts = sol.ts
    if ts is None:
        raise ValueError("Arrays need their times to be drawn: give ts= (ms).")
    if not isinstance(ys, dict):
        name = sol.recorded if isinstance(sol, Solution) else "v"
        if name in ("output", "spikes"):
            raise ValueError(
                "This run kept only its output. Record what is to be drawn, such as "
                "record=Trace('v'); plot.raster draws spikes."
            )
        ys = {name: ys}
    ts = next(iter(ts.values())) if isinstance(ts, dict) else ts
    ys = {name: array(y) for name, y in ys.items()}
    ts = array(ts)
    for name, y in ys.items():
        if y.shape[:1] != ts.shape:
            raise ValueError(
                f"{name} has shape {y.shape}, but there are {ts.shape} times. "
                "Record it with Trace, without which a run keeps spikes only."
            )
    return ys, ts


def voltage(ys: dict[str, np.ndarray]) -> np.ndarray:
    """The v among recorded values."""
    if "v" not in ys:
        raise ValueError(
            f"The recording has no v, only {', '.join(ys)}: record=Trace('v', ...)."
        )
    return ys["v"]


def draw_current(
    panel: Axes, ts: np.ndarray, current: Any, labels: dict[str, str] | None
) -> None:
    """The input at the times `ts`, one line or one a neuron."""
    if hasattr(current, "at"):
        current = current.at(ts)
    y = array(current)
    if y.shape[:1] != ts.shape:
        y = np.broadcast_to(y, (*ts.shape, *y.shape))
    _lines(panel, ts, y, "current", 0, alone=True)
    panel.set_ylabel((labels or {}).get("current", LABELS["current"]))


def spectrum(
    frequency: Any,
    power: Any,
    *,
    label: str = "power (Hz$^2$/Hz)",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Power against frequency in Hz, on a logarithmic scale of power.

    `frequency`, `power`, `label`: as `measures.power_spectrum` of a rate gives them; other
    power has another unit. Further arguments are those of a line of matplotlib.
    """
    ax = one(ax)
    ax.semilogy(array(frequency), array(power), **{"color": colour(0), "lw": 1.2, **kwargs})
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel(label)
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
