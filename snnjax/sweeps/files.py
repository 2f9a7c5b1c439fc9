"""Results of sweeps in files: .npz of NumPy, and netCDF by xarray."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from snnjax.core import checks
from snnjax.sweeps.points import Axis, Points, Static
from snnjax.sweeps.result import SweepResult, coordinate, failure

NETCDF, NPZ = ".nc", ".npz"


def save(path: Any, result: SweepResult) -> None:
    """Write a `SweepResult` to `path`: .npz, or .nc (netCDF, by the extra snnjax[sweep]).

    `load` reads both back. What is no number, such as an integrator, comes back as its name.
    """
    path = _path(path, "save")
    notes, axes = describe(result.points)
    notes |= {"made": result.made, "failed": {f.number: f.reason for f in result.failed}}
    notes["at"] = {n: np.asarray(x).item() for n, x in result.at.items()}
    if path.suffix == NETCDF:
        data = result.to_xarray()
        shaped = {n: x for n, x in axes.items() if n not in data.coords or x.ndim > 1}
        for n, x in shaped.items():
            data[_given(n)] = ((f"{n}_number", *(f"{n}_{k}" for k in range(1, x.ndim))), x)
        # Without netCDF4 files have integers of 32 bits alone.
        notes["dtypes"] = {n: str(x.dtype) for n, x in (axes | result.arrays).items()}
        try:
            data.assign_attrs(snnjax=json.dumps(notes)).to_netcdf(path)
        except ValueError as error:
            raise ValueError(
                f"sweeps.save: {path} has no place for numbers of some of these types: "
                f"{notes['dtypes']}. Save as .npz, or pip install netCDF4."
            ) from error
        return
    arrays = {f"result.{n}": x for n, x in result.arrays.items()}
    given = {_given(n): x for n, x in axes.items()}
    with open(path, "wb") as file:
        np.savez_compressed(file, notes=np.array(json.dumps(notes)), **arrays, **given)


def load(path: Any) -> SweepResult:
    """The `SweepResult` that `save` wrote."""
    path = _path(path, "load")
    if path.suffix == NETCDF:
        import xarray

        with xarray.open_dataset(path) as data:
            notes = json.loads(_notes(data.attrs, "snnjax", path))
            found = {str(n): np.asarray(x.values) for n, x in data.variables.items()}
        dtypes = notes["dtypes"]
        given = {n: found.get(_given(n), found.get(n)) for n in notes["axes"]}
        given = {n: x.astype(dtypes[n]) for n, x in given.items() if n in dtypes}
        arrays = {n: found[n].astype(dtypes[n]) for n in dtypes if n not in notes["axes"]}
    else:
        with np.load(path) as data:
            notes = json.loads(str(_notes(data, "notes", path)))
            given = {n: data[_given(n)] for n in notes["axes"] if _given(n) in data}
            front = "result."
            arrays = {n.removeprefix(front): data[n] for n in data if n.startswith(front)}
    points = points_from(notes, given)
    failed = tuple(failure(points, int(n), reason) for n, reason in notes["failed"].items())
    return SweepResult(points, arrays, failed, notes["made"], notes["at"])


def _notes(found: Any, name: str, path: Path) -> Any:
    if name not in found:
        raise ValueError(f"sweeps.load: {path} is not a file of snn.sweeps.save.")
    return found[name]


def describe(points: Points) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(what of `points` goes into JSON, its arrays by parameter)."""
    notes, arrays = {}, {}
    for n, a in points.axes.items():
        note: dict[str, Any] = {"dim": a.dim}
        if isinstance(a.values, Static):
            note["values"] = coordinate(a).tolist()
        elif checks.is_key(a.values):
            note["keys"] = str(jax.random.key_impl(a.values))
            # netCDF has no unsigned numbers.
            arrays[n] = np.asarray(jax.random.key_data(a.values)).view(np.int32)
        else:
            arrays[n] = a.values
        notes[n] = note
    in_order = np.array_equal(points.numbers, np.arange(len(points)))
    return {"axes": notes, "numbers": None if in_order else points.numbers.tolist()}, arrays


def points_from(notes: dict[str, Any], arrays: dict[str, np.ndarray]) -> Points:
    """The inverse of `describe`."""
    axes = {}
    for n, note in notes["axes"].items():
        if "values" in note:
            values: Any = Static(note["values"])
        elif "keys" in note:
            values = jax.random.wrap_key_data(arrays[n].view(np.uint32), impl=note["keys"])
        else:
            values = arrays[n]
        axes[n] = Axis(note["dim"], values)
    numbers = notes["numbers"]
    return Points(axes, None if numbers is None else np.array(numbers, int))


def _given(name: str) -> str:
    return f"given.{name}"


def _path(path: Any, what: str) -> Path:
    path = Path(path)
    if path.suffix not in (NETCDF, NPZ):
        raise ValueError(
            f"sweeps.{what}: the file must end in .npz or .nc, got {str(path)!r}."
        )
    return path
