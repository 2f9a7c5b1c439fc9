"""Figures that only the command line draws."""

import os
from typing import Any

from snnjax.cli.files import Column


def room() -> Any:
    """The room `plot`, imported when a figure is asked for; no window is opened."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from snnjax import plot

    return plot


def label(name: str, unit: str) -> str:
    """A name with its unit, as on an axis."""
    for plain, typeset in {"uA": "µA", "cm2": "cm$^2$", "um2": "µm$^2$"}.items():
        unit = unit.replace(plain, typeset)
    return f"{name} ({unit})" if unit else name


def sweep(axes: dict[str, Column], found: dict[str, Column]) -> Any:
    """Measures over one axis as curves, over two as colours: a panel a measure."""
    from snnjax.plot.style import colour, stacked

    names = {n: label(n.replace("_", " "), c.unit) for n, c in found.items()}
    across, *up = ((label(n, c.unit), c.values) for n, c in axes.items())
    if up:
        panels = stacked(None, len(found), size=(5.2, 3.6 * len(found)))
        for ax, (name, (values, _)) in zip(panels, found.items(), strict=True):
            ((ylabel, y),) = up
            grid = dict(x=across[1], y=y, xlabel=across[0], ylabel=ylabel)
            room().heatmap(values.T, **grid, label=names[name], ax=ax).label_outer()
        return panels
    panels = stacked(None, len(found))
    few = "." if len(across[1]) < 60 else ""
    for i, (ax, (name, (values, _))) in enumerate(zip(panels, found.items(), strict=True)):
        ax.plot(across[1], values, marker=few, color=colour(i), lw=1.2)
        ax.set_ylabel(names[name])
    panels[-1].set_xlabel(across[0])
    return panels
