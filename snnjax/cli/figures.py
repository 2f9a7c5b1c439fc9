"""Figures that only the command line draws."""

import os
from typing import Any


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
