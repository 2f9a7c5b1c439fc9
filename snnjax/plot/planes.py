"""The phase plane of a neuron with two variables."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from snnjax.analysis import PhasePlane
from snnjax.core.simulate import Solution
from snnjax.plot.style import LABELS, array, colour, legend, one

_STYLE = {  # marker and whether it is filled, by kind of equilibrium
    "stable": ("o", True),
    "unstable": ("o", False),
    "saddle": ("D", False),
    "non-hyperbolic": ("s", False),
}


def phase_plane(
    plane: PhasePlane,
    *trajectories: Solution | dict[str, Any],
    labels: dict[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Nullclines, equilibria (filled where stable) and directions, with trajectories on top.

    - `plane`: of `analysis.phase_plane`.
    - `trajectories`: solutions that hold both variables of one neuron, as `simulate` with
      `record=Trace("v", "w")` and `solve` give them, or dictionaries of such arrays. Each
      begins at a dot.
    - `labels`: of the axes by variable, such as `{"w": "$w$ (pA)"}`.
    """
    ax = one(ax, (5.4, 4.2))
    (x, y), (x_range, y_range) = plane.bounds, plane.bounds.values()
    ax.set_xlim(*x_range)
    ax.set_ylim(*y_range)
    _directions(ax, plane)
    for i, (name, segments) in enumerate(plane.nullclines.items()):
        lines = LineCollection(list(segments), colors=colour(i), linewidths=2.0, zorder=2)
        lines.set_capstyle("round")
        lines.set_label(f"$d{name}/dt = 0$")
        ax.add_collection(lines, autolim=False)
    for trajectory in trajectories:
        ys = trajectory.ys if isinstance(trajectory, Solution) else trajectory
        if not isinstance(ys, dict) or not {x, y} <= ys.keys():
            raise ValueError(
                f"plot.phase_plane: a trajectory must hold {x!r} and {y!r}: record it with "
                f'record=Trace("{x}", "{y}").'
            )
        ax.plot(array(ys[x]), array(ys[y]), color="0.2", lw=1.0, zorder=3)
        ax.plot(array(ys[x])[0], array(ys[y])[0], ".", color="0.2", ms=7, zorder=3)
    drawn = set()
    for point in plane.fixed_points:
        kind = next(k for k in _STYLE if point.kind.startswith(k))
        marker, filled = _STYLE[kind]
        ax.plot(
            point.values[x],
            point.values[y],
            marker,
            ms=8 if marker == "o" else 7,
            mec="black",
            mew=1.4,
            mfc="black" if filled else "white",
            ls="",
            zorder=4,
            label=None if point.kind in drawn else point.kind,
        )
        drawn.add(point.kind)
    own = {**LABELS, "v": f"$v$ ({plane.unit})" if plane.unit else "$v$", **(labels or {})}
    ax.set_xlabel(own.get(x, f"${x}$"))
    ax.set_ylabel(own.get(y, f"${y}$"))
    legend(ax, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return ax


def _directions(ax: Axes, plane: PhasePlane) -> None:
    """Arrows of one length, at the angles that the eye sees on these axes."""
    box = ax.get_window_extent()
    steps = [
        slope / np.ptp(bounds) * side
        for slope, bounds, side in zip(
            plane.field.values(),
            plane.bounds.values(),
            (box.width, box.height),
            strict=True,
        )
    ]
    length = np.hypot(*steps)
    u, v = (step / np.where(length > 0, length, 1) for step in steps)
    grid = np.meshgrid(*plane.grid.values())
    ax.quiver(*grid, u, v, color="0.7", pivot="mid", scale=38, width=0.0028, zorder=1)
