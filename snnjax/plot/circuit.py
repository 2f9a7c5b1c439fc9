"""The equivalent circuit of a membrane."""

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snnjax.core.parameters import parameters
from snnjax.plot.style import one

_NAMES = {"na": "Na", "k": "K", "ca": "Ca", "l": "L"}
_APART = 2.2  # branches, in the unit of the drawing


def circuit(model: Any, *, ax: Axes | None = None) -> Axes:
    """Capacitor, conductances and batteries between the inside and the outside of a membrane.

    - `model`: a neuron with a conductance `g_x` and a reversal potential `e_x` for each
      channel x, such as `HodgkinHuxley` or `LIF`. All but the leak are drawn as variable.
    """
    branches = _branches(model)
    ax = one(ax, (1.6 + 1.5 * len(branches), 3.6))
    ax.set_axis_off()
    ax.set_aspect("equal")
    wire = dict(color="black", lw=1.4, solid_capstyle="round")
    last = _APART * (len(branches) - 1)
    for y in (0.0, 4.0):
        ax.plot([-1.0, last], [y, y], **wire)
        ax.plot(-1.0, y, "o", color="black", ms=5, mfc="white")
    ax.text(-1.0, 4.3, "outside", ha="center")
    ax.text(-1.0, -0.3, "inside", ha="center", va="top")
    for i, (name, value, battery, variable) in enumerate(branches):
        x = _APART * i
        if battery is None:
            _capacitor(ax, x, wire)
            ax.text(x + 0.38, 2.0, f"{name}\n{value}", va="center", fontsize="small")
            continue
        _resistor(ax, x, variable, wire)
        ax.text(x + 0.38, 2.85, f"{name}\n{value}", va="center", fontsize="small")
        _battery(ax, x, above=battery[2] > 0, wire=wire)
        ax.text(
            x + 0.38, 1.15, f"{battery[0]}\n{battery[1]}", va="center", fontsize="small"
        )
    ax.set_xlim(-1.7, last + 1.6)
    ax.set_ylim(-0.9, 4.8)
    return ax


def _branches(model: Any) -> list[tuple[str, str, tuple[str, str, float] | None, bool]]:
    """(symbol, value, (symbol, value, mV) of the battery or None, whether it varies)."""
    known = {name: (value, spec.unit) for name, value, spec in parameters(model)}
    found = []
    for name, (value, unit) in known.items():
        own = re.fullmatch(r"g_(\w+)|channels\.(\w+)\.g", name)
        if own is None:
            continue
        e = f"e_{own[1]}" if own[1] else f"channels.{own[2]}.e"
        if e not in known:
            continue
        x = own[1] or own[2]
        symbol = f"{{{_NAMES.get(x, x)}}}"
        battery = (f"$E_{symbol}$", _value(*known[e]), float(np.mean(known[e][0])))
        found.append((f"$g_{symbol}$", _value(value, unit), battery, x != "l"))
    if not found:
        raise ValueError(
            f"plot.circuit: {type(model).__name__} has no conductances g_x with reversal "
            "potentials e_x, and so no equivalent circuit."
        )
    capacitance = next((known[c] for c in ("c", "c_m") if c in known), None)
    if capacitance is None and {"tau_m", "g_l"} <= known.keys():
        # ms times nS is pF.
        capacitance = known["tau_m"][0] * known["g_l"][0], "pF"
    first = [] if capacitance is None else [("$C$", _value(*capacitance), None, False)]
    return first + found


def _value(value: Any, unit: str) -> str:
    for plain, typeset in {"uF": "µF", "cm2": "cm$^2$"}.items():
        unit = unit.replace(plain, typeset)
    value = np.asarray(value)
    low, high = value.min(), value.max()
    number = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return f"{number} {unit}".replace("-", "−")


def _capacitor(ax: Axes, x: float, wire: dict) -> None:
    for y, end in ((1.9, 0.0), (2.1, 4.0)):
        ax.plot([x, x], [end, y], **wire)
        ax.plot([x - 0.3, x + 0.3], [y, y], **{**wire, "lw": 2.2})


def _resistor(ax: Axes, x: float, variable: bool, wire: dict) -> None:
    turns = np.linspace(2.4, 3.3, 9)
    side = 0.16 * np.array([0, 1, -1, 1, -1, 1, -1, 1, 0])
    ax.plot([x, x], [1.25, 2.4], **wire)
    ax.plot(x + side, turns, **wire)
    ax.plot([x, x], [3.3, 4.0], **wire)
    if variable:
        arrow = dict(arrowstyle="->", lw=1.1, color="black", shrinkA=0, shrinkB=0)
        ax.annotate("", (x + 0.32, 3.3), (x - 0.32, 2.4), arrowprops=arrow)


def _battery(ax: Axes, x: float, above: bool, wire: dict) -> None:
    """The long plate is the positive one; it points inside where the reversal is above 0."""
    plates = (1.05, 1.25) if above else (1.25, 1.05)
    ax.plot([x, x], [0.0, 1.05], **wire)
    for y, half, width in zip(plates, (0.3, 0.15), (1.4, 2.6), strict=True):
        ax.plot([x - half, x + half], [y, y], **{**wire, "lw": width})
