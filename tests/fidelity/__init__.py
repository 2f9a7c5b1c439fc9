"""The table of docs/fidelity.md: each row is a check that measures one error of one model.

`python -m tests.fidelity` measures all rows and writes the table; tests/test_fidelity.py
measures them again, holds each below its bound, and refuses a table that is out of date.
A check is a function without arguments that returns the error, written independently of the
code it checks, in a module of this package.
"""

import importlib
import math
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parents[2] / "docs" / "fidelity.md"

HEAD = """# What each model was checked against

Written by `python -m tests.fidelity` (`make fidelity`) from the checks in `tests/fidelity/`;
a test measures every row again, in float64 on the CPU, and holds it below its bound.

| model | reference | check | error observed | bound |
| --- | --- | --- | --- | --- |
"""


class Row(NamedTuple):
    model: str
    reference: str
    check: str
    unit: str
    bound: float
    measure: Callable[[], float]

    def line(self, error: float) -> str:
        unit = f" {self.unit}" if self.unit else ""
        # Rounding errors differ from machine to machine: below 1e-12 only that is said.
        shown = "< 1e-12" if 0 < error < 1e-12 else f"{error:.2g}"
        words = " | ".join(x.replace("|", "\\|") for x in self[:3])
        return f"| {words} | {shown}{unit} | {self.bound:g}{unit} |"


_rows: list[Row] = []


def row(model: str, *, reference: str, check: str, bound: float, unit: str = ""):
    """Register a check: `reference` and `check` say what is compared, `bound` what passes."""

    def register(measure: Callable[[], float]) -> Callable[[], float]:
        _rows.append(Row(model, reference, check, unit, bound, measure))
        return measure

    return register


def rows() -> list[Row]:
    """All registered checks, sorted by model."""
    for module in pkgutil.iter_modules(__path__):
        if module.name != "__main__":
            importlib.import_module(f"{__name__}.{module.name}")
    return sorted(_rows, key=lambda r: (r.model.lower(), r.reference, r.check))


def measured(r: Row) -> float:
    """The error of one row; refuses one above its bound."""
    error = float(r.measure())
    if not math.isfinite(error) or error > r.bound:
        raise AssertionError(f"{r.model}, {r.check}: error {error:g} above {r.bound:g}")
    return error
