"""Data on disk, with units and with how they were made."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Column(NamedTuple):
    """An array with its unit; "" is dimensionless."""

    values: np.ndarray
    unit: str


def write(path: Path, columns: dict[str, Column], about: dict[str, str]) -> None:
    """Write `columns` to a .npz or a .csv, whole or not at all.

    - .npz: an array a column; `units`, a JSON object by name; and the texts of `about`.
    - .csv: `about` in lines that begin with #, a header with units, and a row a sample, with
      as many digits as it takes to read the same numbers back.
    """
    part = path.with_name(path.name + ".part")
    if path.suffix.lower() == ".npz":
        units = json.dumps({name: c.unit for name, c in columns.items()})
        arrays = {name: c.values for name, c in columns.items()}
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays, units=units, **about)
    else:
        with part.open("w", newline="", encoding="utf-8") as file:
            file.writelines(f"# {name}: {text}\n" for name, text in about.items())
            rows = csv.writer(file, lineterminator="\n")
            flat = _flat(columns)
            rows.writerow([f"{n} ({c.unit})" if c.unit else n for n, c in flat.items()])
            rows.writerows(zip(*(map(str, c.values) for c in flat.values()), strict=True))
    part.replace(path)


def rows(columns: dict[str, Column]) -> dict[str, Column]:
    """`columns` on a grid as a row a point."""
    return {name: Column(c.values.ravel(), c.unit) for name, c in columns.items()}


def _flat(columns: dict[str, Column]) -> dict[str, Column]:
    """`columns` with those that hold several values a sample taken apart."""
    flat = {}
    for name, (values, unit) in columns.items():
        if values.ndim == 1:
            flat[name] = Column(values, unit)
            continue
        for i, column in enumerate(values.reshape(len(values), -1).T):
            flat[f"{name}_{i}"] = Column(column, unit)
    return flat
