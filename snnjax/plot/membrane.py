"""What happens in a membrane during an action potential."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snnjax.core.simulate import Solution
from snnjax.measures import ap_features
from snnjax.plot.style import LABELS, array, colour, legend, one, stacked
from snnjax.plot.traces import draw_current, values, voltage

_CHANNELS = {"na": "Na", "k": "K", "ca": "Ca", "l": "leak"}
_FLOWS = {
    "conductances": "conductance\n(mS/cm$^2$)",
    "currents": "ionic current\n(µA/cm$^2$)",
}


def membrane(
    model: Any,
    sol: Solution | dict[str, Any],
    *,
    ts: Any = None,
    current: Any = None,
    labels: dict[str, str] | None = None,
    ax: Any = None,
) -> np.ndarray:
    """Voltage, gates, conductances and currents of one neuron: a panel each.

    - `model`: with `currents(traces)`, as `HodgkinHuxley` and `MorrisLecar` have it, and
      `conductances(traces)` if there is to be a panel of these.
    - `sol`, `ts`, `current`: as `traces` takes them; all variables of the state must be
      recorded. Outward currents are positive.
    - `labels`: of the vertical axes "v", "gates", "conductances", "currents" and "current".
    """
    ys, ts = values(sol, ts)
    for name, y in ys.items():
        if y.ndim > 1:
            raise ValueError(
                f"plot.membrane draws one neuron, but {name} has shape {y.shape}: record "
                "or index one of them."
            )
    _require_traces(model, ys)
    flows = {"currents": model.currents(ys)}
    if hasattr(model, "conductances"):
        flows = {"conductances": model.conductances(ys), **flows}
    gates = {name: y for name, y in ys.items() if name != "v"}
    panels = [("v", {"v": ys["v"]}, LABELS["v"]), ("gates", gates, "gates")]
    for kind, parts in flows.items():
        panels.append((kind, parts, _FLOWS[kind]))
    n = len(panels) + (current is not None)
    axes = stacked(ax, n, [1.0] * len(panels) + [0.5] * (n - len(panels)), (6.0, 1.6 * n))
    for panel, (kind, parts, label) in zip(axes, panels, strict=False):
        for i, (name, y) in enumerate(parts.items()):
            name = _CHANNELS.get(name, name) if kind in flows else f"${name}$"
            y = np.broadcast_to(array(y), ts.shape)
            panel.plot(
                ts, y, color=colour(i) if kind != "v" else "black", lw=1.2, label=name
            )
        panel.set_ylabel((labels or {}).get(kind, label))
        if len(parts) > 1:
            legend(panel, loc="upper right")
    if current is not None:
        own = {"current": "input\n(µA/cm$^2$)", **(labels or {})}
        draw_current(axes[-1], ts, current, own)
    axes[-1].set_xlabel(LABELS["time"])
    axes[0].figure.align_ylabels(list(axes))
    return axes


def _require_traces(model: Any, ys: dict[str, Any]) -> None:
    name = type(model).__name__
    if not callable(getattr(model, "currents", None)):
        raise ValueError(
            f"plot.membrane draws the currents of channels, and {name} has no method "
            "currents(traces): use plot.traces."
        )
    state = model.rest()._asdict()
    variables = [field for field, x in state.items() if x is not None]
    if missing := [field for field in variables if field not in ys]:
        raise ValueError(
            f"plot.membrane needs all variables of {name}, and {', '.join(missing)} are not "
            f"recorded: record=Trace({', '.join(map(repr, variables))})."
        )


def action_potential(
    sol: Solution | dict[str, Any],
    *,
    ts: Any = None,
    level: float = 0.0,
    slope: float = 20.0,
    ax: Axes | None = None,
) -> Axes:
    """The first action potential of a trace, with the names of its phases.

    - `sol`, `ts`: as `traces` takes them, of one neuron that begins at rest.
    - `level`: mV; a spike rises through it. `slope`: mV/ms; the threshold is where v rises
      this fast, see `measures.ap_features`.
    """
    ys, ts = values(sol, ts)
    v = voltage(ys)
    if v.ndim > 1:
        raise ValueError(f"plot.action_potential draws one neuron, got shape {v.shape}.")
    rest, dt = float(v[0]), float(ts[1] - ts[0])
    found = ap_features(v, dt, level=level, slope=slope)
    starts, peak = float(found.threshold_time) - dt + ts[0], float(found.peak)
    if not np.isfinite([starts, peak]).all():
        raise ValueError(
            f"plot.action_potential: v never rises through level={level:g} mV after rising at "
            f"slope={slope:g} mV/ms. Give lower ones."
        )
    top = float(found.peak_time) - dt + ts[0]
    below = ts[(ts > top) & (v < rest)]
    back = below[0] if len(below) else ts[-1]
    phases = {
        "resting potential": (ts <= starts, "0.55"),
        "depolarisation": ((ts >= starts - dt) & (ts <= top + dt), colour(1)),
        "repolarisation": ((ts >= top - dt) & (ts <= back), colour(0)),
        "hyperpolarisation": (ts >= back - dt, colour(2)),
    }
    ax = one(ax, (6.0, 3.8))
    for name, (when, c) in phases.items():
        if when.any():
            ax.plot(ts[when], v[when], color=c, lw=2.2, label=name)
    marks = {"rest": rest, "threshold": float(found.threshold)}
    for name, y in {**marks, **({"0 mV": 0.0} if rest < 0 < peak else {})}.items():
        ax.axhline(y, color="0.8", lw=0.8, zorder=0)
        text = name if name == "0 mV" else f"{name} {y:.0f} mV".replace("-", "−")
        ax.text(0.01, y, text, transform=ax.get_yaxis_transform(), fontsize="small",
                va="bottom", color="0.35")  # fmt: skip
    if rest < 0 < peak:
        arrow = dict(arrowstyle="<->", color="0.35", shrinkA=0, shrinkB=0)
        aside = top + 0.06 * np.ptp(ts)
        ax.annotate("", (aside, peak), (aside, 0.0), arrowprops=arrow)
        ax.text(
            aside, peak / 2, f" overshoot\n {peak:.0f} mV", fontsize="small", va="center"
        )
    ax.set_xlabel(LABELS["time"])
    ax.set_ylabel(LABELS["v"])
    ax.set_xlim(ts[0], ts[-1])
    legend(ax, loc="upper right")
    return ax
