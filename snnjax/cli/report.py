"""What `snnjax sweep` prints."""

import numpy as np

from snnjax.cli.files import Column
from snnjax.cli.options import table

ROWS = 24  # of a table on the screen


def report(where: dict[str, Column], found: dict[str, Column]) -> str:
    """All points if they are few; otherwise the range of each measure, and some of a line."""
    columns = where | found
    total = len(next(iter(columns.values())).values)
    rows = []
    if total > ROWS:
        for name, (x, unit) in found.items():
            empty = int(np.isnan(x).sum())
            rows.append(
                (f"{name}:", _range(x, unit, where) + (f", {empty} empty" if empty else ""))
            )
    text = table(rows) + "\n\n" if rows else ""
    if total > ROWS and len(where) > 1:
        return text.rstrip()
    some = np.unique(np.linspace(0, total - 1, min(total, ROWS)).round().astype(int))
    header = tuple(f"{n} ({c.unit})" if c.unit else n for n, c in columns.items())
    cells = ([f"{x:.6g}" for x in c.values[some]] for c in columns.values())
    return text + table([header, *zip(*cells, strict=True)])


def _range(x: np.ndarray, unit: str, where: dict[str, Column]) -> str:
    if np.isnan(x).all():
        return "empty everywhere"
    ends = []
    for i in (np.nanargmin(x), np.nanargmax(x)):
        at = ", ".join(f"{n} {c.values[i]:.5g}" for n, c in where.items())
        ends.append(f"{x[i]:.5g} {unit}".strip() + f" ({at})")
    return " to ".join(ends)
