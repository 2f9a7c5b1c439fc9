"""What a sweep gives: labelled arrays, and the points that failed."""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from snnjax.core import checks
from snnjax.sweeps.points import NUMBER, POINT, Axis, Points, Static, pick_values


class Failure(NamedTuple):
    """A point that gave no finite result."""

    number: int  # of the point, the last dimension going fastest
    parameters: dict[str, Any]
    reason: str


def failure(points: Points, number: int, reason: str) -> Failure:
    """Of the point counted by `number`."""
    at = {n: x[0] for n, x in points.take(np.array([number])).items()}
    return Failure(number, at, reason)


def not_finite(name: str) -> str:
    """The reason of a point whose result `name` is not finite."""
    return f"{name} is not finite"


@dataclasses.dataclass(frozen=True, eq=False)  # no tuple: [0] of one is no first row
class Labelled:
    """An array whose dimensions have names, and coordinates where they are parameters."""

    values: np.ndarray
    dims: tuple[str, ...]
    coords: dict[str, np.ndarray]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.values, dtype, copy=copy)


@dataclasses.dataclass(frozen=True, repr=False)
class SweepResult:
    """The results of a sweep, by name, with the points they belong to.

        result["rate"].values               # an array [points of each parameter, ...]
        result.sel(g_na=slice(100, 140))    # a part, by values
        result.isel(g_na=0)                 # by place
        result.best("loss")                 # the parameters where it is least
        result.failed                       # points without a finite result, and why
        result.to_xarray(), snn.sweeps.save("sweep.nc", result), snn.plot.sweep(result)

    - `points`: `Points`; `result.parameters` has the values of each at every point.
    - `failed`: a `Failure` for each point that is not finite or could not be run. Their values
      are what the function gave, or NaN (0 for integers) if it gave none.
    - `made`: function, versions, device and number of points.
    - `at`: of a part, the parameters that have one value there.
    """

    points: Points
    arrays: dict[str, np.ndarray]  # [*points.shape, ...]
    failed: tuple[Failure, ...]
    made: str
    at: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> Labelled:
        name = checks.one_of(name, self.arrays, "SweepResult: name")
        values = self.arrays[name]
        n_own = values.ndim - len(self.points.dims)
        own = tuple(f"{name}_{k}" for k in range(n_own))
        return Labelled(values, (*self.points.dims, *own), self.coords)

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """The values of each parameter along its dimension; numbers of those that are none."""
        return {n: coordinate(a) for n, a in self.points.axes.items()}

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The value of each parameter at every point, in the shape of the points."""
        where = np.indices(self.points.shape)
        of = dict(zip(self.points.dims, where, strict=True))
        return {n: coordinate(a)[of[a.dim]] for n, a in self.points.axes.items()}

    @property
    def ok(self) -> np.ndarray:
        """Whether each point has a finite result, in the shape of the points."""
        return self._none_of(self.failed)

    @property
    def ran(self) -> np.ndarray:
        """Whether the function gave a result at each point, finite or not."""
        reasons = set(map(not_finite, self.arrays))
        return self._none_of([f for f in self.failed if f.reason not in reasons])

    def _none_of(self, failed: Iterable[Failure]) -> np.ndarray:
        rest = np.ones(len(self.points), bool)
        rest[[f.number for f in failed]] = False
        return rest.reshape(self.points.shape)

    def failed_points(self) -> Points:
        """Those that failed, to run them alone: `sweep(f, result.failed_points())`."""
        if not self.failed:
            raise ValueError("SweepResult.failed_points: no point failed.")
        missing = [n for n in self.failed[0].parameters if n not in self.points.axes]
        if missing:
            raise ValueError(
                f"SweepResult.failed_points: this part has no {', '.join(missing)} any more. "
                "Take it of the whole result, or keep a dimension by isel(name=[0])."
            )
        return self.points.part([f.number for f in self.failed])

    def mended(self, again: "SweepResult") -> "SweepResult":
        """With the results of `again`, a sweep over `failed_points()`, in their places."""
        places = [f.number for f in self.failed]
        if not np.array_equal(again.points.numbers, self.points.numbers[places]):
            raise ValueError(
                f"SweepResult.mended takes a sweep over the {len(places)} failed_points(), got "
                f"one over {len(again.points)} other points."
            )
        arrays = {}
        for name, x in self.arrays.items():
            own, new = x.shape[len(self.points.dims) :], again[name].values
            if new.shape[1:] != own or not np.can_cast(new.dtype, x.dtype, "same_kind"):
                raise ValueError(
                    f"SweepResult.mended: {name} is {x.dtype}{list(own)} at each point, got "
                    f"{new.dtype}{list(new.shape[1:])}."
                )
            flat = x.reshape(len(self.points), *own).copy()
            flat[places] = new
            arrays[name] = flat.reshape(x.shape)
        failed = tuple(f._replace(number=places[f.number]) for f in again.failed)
        return dataclasses.replace(self, arrays=arrays, failed=failed)

    def isel(self, **places: Any) -> "SweepResult":
        """A part by places along dimensions: numbers, slices, or arrays of numbers."""
        dims = list(self.points.dims)
        for name in places:
            checks.one_of(name, dims, "SweepResult.isel: dimension")
        take = {
            d: np.arange(n)[places.get(d, slice(None))] for d, n in self.points.dims.items()
        }
        gone = [d for d, x in take.items() if x.ndim == 0]
        index = np.ix_(*(np.atleast_1d(x) for x in take.values()))
        numbers = np.arange(len(self.points)).reshape(self.points.shape)[index]
        drop = tuple(dims.index(d) for d in gone)
        pick = lambda x: np.squeeze(x[index], drop)
        axes = {
            n: Axis(a.dim, pick_values(a.values, take[a.dim]))
            for n, a in self.points.axes.items()
            if a.dim not in gone
        }
        points = Points(axes, self.points.numbers[numbers.ravel()])
        was = {f.number: f for f in self.failed}
        failed = tuple(
            was[old]._replace(number=new)
            for new, old in enumerate(numbers.ravel().tolist())
            if old in was
        )
        arrays = {n: pick(x) for n, x in self.arrays.items()}
        fixed = {
            n: coordinate(a)[take[a.dim]]
            for n, a in self.points.axes.items()
            if a.dim in gone
        }
        return dataclasses.replace(
            self, points=points, arrays=arrays, failed=failed, at=self.at | fixed
        )

    def sel(self, **values: Any) -> "SweepResult":
        """A part by values of a grid's parameters: the nearest to a number, or a slice.

        A slice has both its ends, as in xarray; a number lies within the values there are.
        """
        dims, places = self.points.dims, {}
        for name, wanted in values.items():
            checks.one_of(
                name, [d for d in dims if d != POINT], "SweepResult.sel: parameter"
            )
            at = self.coords[name]
            if isinstance(wanted, slice):
                low = -np.inf if wanted.start is None else wanted.start
                high = np.inf if wanted.stop is None else wanted.stop
                places[name] = np.flatnonzero((at >= low) & (at <= high))
                if not places[name].size:
                    raise ValueError(
                        f"SweepResult.sel: {name} has no value in {low} .. {high}, only "
                        f"{at.min()} .. {at.max()}."
                    )
            elif at.dtype.kind in "biuf":
                if np.min(wanted) < at.min() or np.max(wanted) > at.max():
                    raise ValueError(
                        f"SweepResult.sel: {name}={wanted} is outside {at.min()} .. {at.max()}."
                    )
                near = np.abs(at[:, None].astype(float) - np.atleast_1d(wanted)).argmin(0)
                places[name] = near if np.ndim(wanted) else int(near[0])
            else:
                label = checks.one_of(
                    _label(wanted), at.tolist(), f"SweepResult.sel: {name}"
                )
                places[name] = at.tolist().index(label)
        return self.isel(**places)

    def best(self, name: str | None = None, *, largest: bool = False) -> dict[str, Any]:
        """The parameters where the result `name` is least, or `largest`.

        Points where it is not finite, or the function raised, are passed over.
        """
        if name is None and len(self.arrays) > 1:
            raise ValueError(
                f"SweepResult.best needs one of the names {list(self.arrays)}."
            )
        x = self[name or next(iter(self.arrays))].values.astype(float)
        if x.shape != self.points.shape:
            raise ValueError(f"SweepResult.best needs one number a point, got {x.shape}.")
        usable = self.ran & np.isfinite(x)
        if not usable.any():
            raise ValueError("SweepResult.best: no point has a finite result.")
        x = np.where(usable, -x if largest else x, np.inf)
        return {n: v[0] for n, v in self.points.take(np.array([x.argmin()])).items()}

    def to_xarray(self) -> Any:
        """As an `xarray.Dataset`; needs the extra snnjax[sweep]."""
        try:
            import xarray
        except ImportError as error:
            raise ImportError(
                "SweepResult.to_xarray needs xarray: pip install 'snnjax[sweep]'."
            ) from error
        both = [n for n in self.arrays if n in self.points.axes]
        if both:
            raise ValueError(
                f"SweepResult.to_xarray: {both[0]!r} is a parameter and a result. Let the "
                "function give it by another name; .npz files take both."
            )
        data = {n: (self[n].dims, self[n].values) for n in self.arrays}
        coords = {n: ((a.dim,), coordinate(a)) for n, a in self.points.axes.items()}
        coords |= {n: ((), x) for n, x in self.at.items()}
        return xarray.Dataset(data, coords, {"made": self.made})

    def __repr__(self) -> str:
        shape = ", ".join(f"{d}: {n}" for d, n in self.points.dims.items())
        lines = [f"SweepResult ({shape})", f"  made: {self.made}"]
        rows = [(f"over {n}", _range(a)) for n, a in self.points.axes.items()]
        rows += [(f"at {n}", str(x)) for n, x in self.at.items()]
        rows += [(n, f"{x.dtype} {_range_of(x)}") for n, x in self.arrays.items()]
        width = max(len(name) for name, _ in rows)
        lines += [f"  {name:<{width}}  {text}" for name, text in rows]
        if self.failed:
            lines.append(f"  failed: {len(self.failed)} points, first {self.failed[0]}")
        return "\n".join(lines)


def coordinate(axis: Axis) -> np.ndarray:
    """One label for each value: the value, its text, or its number where it is an array."""
    if isinstance(axis.values, Static):
        plain = all(isinstance(x, NUMBER) for x in axis.values)
        return np.array([x if plain else _label(x) for x in axis.values])
    if isinstance(axis.values, np.ndarray) and axis.values.ndim == 1:
        return axis.values
    return np.arange(len(axis))


def _label(x: Any) -> str:
    if isinstance(x, str):
        return x
    return getattr(x, "__name__", None) or str(x)


def _range(axis: Axis) -> str:
    labels, n = coordinate(axis), len(axis)
    if n == 1:
        return f"{labels[0]}"
    if labels.dtype.kind in "iuf":
        return f"{n} values, {labels.min():g} to {labels.max():g}"
    return ", ".join(map(str, labels[:4])) + ", ..." * (n > 4)


def _range_of(x: np.ndarray) -> str:
    finite = x[np.isfinite(x)]
    if not finite.size:
        return "nothing finite"
    return f"{finite.min():g} to {finite.max():g}"
