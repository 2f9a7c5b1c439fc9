"""Equilibria of a neuron, their stability, and the phase plane of one with two variables."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from snnjax.core import checks
from snnjax.core.integrators import flow
from snnjax.core.neuron import AbstractNeuron
from snnjax.core.parameters import parameters


class FixedPoint(NamedTuple):
    """Where nothing moves, and how the neighbourhood moves."""

    values: dict[str, float]  # of each continuous variable
    eigenvalues: Complex[np.ndarray, "d"]  # 1/ms, of the linearisation
    kind: str  # "stable node", "unstable focus", "saddle", ...

    @property
    def stable(self) -> bool:
        return bool((np.real(self.eigenvalues) < 0).all())


class PhasePlane(NamedTuple):
    """What `phase_plane` found; `plot.phase_plane` draws it."""

    current: float  # unit of the model's input
    bounds: dict[str, tuple[float, float]]  # of the two variables, the horizontal one first
    nullclines: dict[str, Float[np.ndarray, "segments 2 2"]]  # by the variable that rests
    fixed_points: list[FixedPoint]
    field: dict[str, Float[np.ndarray, "grid grid"]]  # slopes, per ms, by variable
    grid: dict[str, Float[np.ndarray, "grid"]]  # where `field` was taken
    unit: str  # of v; "" where the model is dimensionless


def fixed_points(
    model: AbstractNeuron,
    current: float = 0.0,
    *,
    v: tuple[float, float],
    starts: int = 400,
) -> list[FixedPoint]:
    """All equilibria of one neuron under constant `current`, in the order of their v.

    - `v`: the range to search, in the unit of v. `current`: in the model's unit.
    - `starts`: Newton's method begins at so many v, with the other variables where they
      settle at that v. Equilibria closer than the range over `starts` may be missed.

    For any number of continuous variables. A neuron with a reset is taken without it.
    """
    _require_one(model, "fixed_points")
    low, high = _range(v, "v")
    points, off, slopes = _newton(model, jnp.asarray(float(current)), low, high, starts)
    names = list(points)
    x = np.stack([np.asarray(points[name]) for name in names], 1)
    scale = np.ptp(x, axis=0) + 1e-3 * (high - low)  # of each variable
    scale[~np.isfinite(scale)] = 1.0
    eps = np.finfo(x.dtype).eps
    good = np.isfinite(x).all(1) & (np.asarray(off) < max(1e-9, 100 * eps))
    good &= (x[:, names.index("v")] >= low) & (x[:, names.index("v")] <= high)
    found: list[FixedPoint] = []
    kept: list[np.ndarray] = []
    for i in np.flatnonzero(good)[np.argsort(x[good, names.index("v")])]:
        if all(
            np.max(np.abs(x[i] - other) / scale) > max(1e-6, 1e4 * eps) for other in kept
        ):
            kept.append(x[i])
            eigenvalues = np.linalg.eigvals(np.asarray(slopes[i]))
            values = dict(zip(names, map(float, x[i]), strict=True))
            found.append(FixedPoint(values, eigenvalues, classify(eigenvalues)))
    return found


def classify(eigenvalues: Any) -> str:
    """The name of an equilibrium with these eigenvalues."""
    eigenvalues = np.asarray(eigenvalues)
    size = np.abs(eigenvalues).max()
    real, turns = eigenvalues.real, np.abs(eigenvalues.imag) > 1e-9 * size
    if (np.abs(real) <= 1e-9 * size).any():
        return "non-hyperbolic"
    if (real < 0).any() and (real > 0).any():
        return "saddle-focus" if turns.any() else "saddle"
    return f"{'stable' if real[0] < 0 else 'unstable'} {'focus' if turns.any() else 'node'}"


def nullclines(
    model: AbstractNeuron, current: float = 0.0, *, points: int = 200, **bounds: Any
) -> dict[str, Float[np.ndarray, "segments 2 2"]]:
    """Where each of the two variables of a neuron rests, under constant `current`.

    - `bounds`: of both variables by name, the horizontal one first, such as
      `v=(-80, 60), n=(0, 1)`. `points`: of the grid on each side.

    Returns, by variable, short line segments [segment, end, (horizontal, vertical)], so that
    a curve may have any shape. Their ends lie on the nullcline to rounding.
    """
    _require_two(model, bounds, "nullclines")
    bounds = {name: _range(b, name) for name, b in bounds.items()}
    x, y = (np.linspace(*b, points) for b in bounds.values())
    return {
        name: _segments(
            lambda x, y, name=name: _slopes(model, current, bounds, x, y)[name], x, y
        )
        for name in bounds
    }


def phase_plane(
    model: AbstractNeuron,
    current: float = 0.0,
    *,
    points: int = 200,
    arrows: int = 21,
    **bounds: Any,
) -> PhasePlane:
    """Nullclines, equilibria and vector field of a neuron with two variables.

    `current`: constant, in the model's unit. `bounds`: of both variables by name, the
    horizontal one first, as `phase_plane(MorrisLecar(), 40.0, v=(-80, 60), n=(0, 1))`.
    `points`, `arrows`: of the grid of the nullclines and of the field, on each side.
    """
    lines = nullclines(model, current, points=points, **bounds)
    bounds = {name: _range(b, name) for name, b in bounds.items()}
    grid = {name: np.linspace(*b, arrows) for name, b in bounds.items()}
    x, y = np.meshgrid(*grid.values())
    field = _slopes(model, current, bounds, x, y)
    inside = lambda p: all(b[0] <= p.values[n] <= b[1] for n, b in bounds.items())
    found = [p for p in fixed_points(model, current, v=bounds["v"]) if inside(p)]
    units = {name: spec.unit for name, _, spec in parameters(model)}
    unit = units.get("spike_level", units.get("v_reset", "mV"))
    return PhasePlane(float(current), bounds, lines, found, field, grid, unit)


@eqx.filter_jit
def _newton(model, current, low, high, starts):
    """(points, how far off, matrices of slopes), one each start."""
    slopes, start = flow(model, model.init(), current)
    names = list(start)
    at_v = names.index("v")
    pack = lambda y: jnp.stack([y[name] for name in names])
    f = lambda x: pack(slopes(dict(zip(names, x, strict=True))))
    jacobian = jax.jacfwd(f)

    def relax(x, _):  # all but v, which a singular matrix leaves where they are
        rest = jnp.arange(len(names)) != at_v
        matrix = jnp.where(rest[:, None] & rest, jacobian(x), 0)
        step = jnp.linalg.lstsq(matrix, jnp.where(rest, f(x), 0))[0]
        return x - step, None

    def all_at_once(x, _):
        return x - jnp.linalg.lstsq(jacobian(x), f(x))[0], None

    def one(v):
        x = pack(start).at[at_v].set(v)
        x, _ = jax.lax.scan(relax, x, None, length=8)
        x, _ = jax.lax.scan(all_at_once, x, None, length=40)
        matrix = jacobian(x)
        # The next step of Newton's method, beside the size of x.
        off = jnp.linalg.lstsq(matrix, f(x))[0] / (1 + jnp.abs(x))
        return x, jnp.max(jnp.abs(off)) + 0 * jnp.sum(f(x)), matrix

    x, off, matrices = jax.vmap(one)(jnp.linspace(low, high, starts))
    return dict(zip(names, x.T, strict=True)), off, matrices


def _slopes(model, current, bounds, x, y) -> dict[str, np.ndarray]:
    values = dict(zip(bounds, (jnp.asarray(x), jnp.asarray(y)), strict=True))
    slopes = _field(model, jnp.asarray(float(current)), values)
    return {name: np.broadcast_to(slopes[name], np.shape(x)) for name in bounds}


@eqx.filter_jit
def _field(model: AbstractNeuron, current: Array, values: dict[str, Array]):
    return flow(model, model.init(), current)[0](values)


def _segments(f: Any, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "segments 2 2"]:
    """The zero contour of f(x, y) on a grid: marching squares, ends moved onto the zero."""
    above = f(*np.meshgrid(x, y, indexing="ij")) > 0
    i, j = np.meshgrid(np.arange(len(x) - 1), np.arange(len(y) - 1), indexing="ij")
    corner = lambda di, dj: (i + di, j + dj)
    around = [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)]
    ends = []
    for (ia, ja), (ib, jb) in zip(around, around[1:] + around[:1], strict=True):
        crossed = above[ia, ja] != above[ib, jb]
        a, b = np.stack([x[ia], y[ja]], -1), np.stack([x[ib], y[jb]], -1)
        ends.append((crossed, a, b))
    crossed = np.stack([c for c, _, _ in ends], -1)  # [cells, cells, edge]
    a, b = (np.stack([e[k] for e in ends], -2) for k in (1, 2))
    # Four crossed edges of a saddle are two segments: the first two and the last two.
    cells = np.nonzero(crossed.any(-1))
    edges = np.argsort(~crossed[cells], axis=-1, kind="stable")
    pairs = np.concatenate([edges[:, :2], edges[crossed[cells].all(-1), 2:]])
    where = np.concatenate([np.arange(len(edges)), np.flatnonzero(crossed[cells].all(-1))])
    pick = lambda p: np.take_along_axis(p[cells][where], pairs[..., None], 1)
    low, high = pick(a), pick(b)
    sign = np.where(f(*np.moveaxis(low, -1, 0)) > 0, 1.0, -1.0)
    for _ in range(50):
        middle = (low + high) / 2
        same = (f(*np.moveaxis(middle, -1, 0)) * sign > 0)[..., None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return (low + high) / 2


def _range(bounds: Any, name: str) -> tuple[float, float]:
    low, high = (float(checks.finite(b, f"The range of {name}")) for b in bounds)
    if not low < high:
        raise ValueError(f"The range of {name} must rise, got ({low:g}, {high:g}).")
    return low, high


def _require_one(model: AbstractNeuron, function: str) -> None:
    if model.shape() != ():
        raise ValueError(
            f"{function} takes one neuron, but the parameters of {type(model).__name__} hold "
            f"{model.shape()}: give a model with scalar parameters."
        )


def _require_two(model: AbstractNeuron, bounds: dict[str, Any], function: str) -> None:
    _require_one(model, function)
    names = set(flow(model, model.init(), jnp.zeros(()))[1])
    if len(names) != 2:
        raise ValueError(
            f"{function} needs a neuron with two variables, but {type(model).__name__} has "
            f"{sorted(names)}. fixed_points takes any number."
        )
    if set(bounds) != names:
        raise ValueError(
            f"{function} of {type(model).__name__} needs the bounds of both its variables, "
            + ", ".join(f"{name}=(low, high)" for name in sorted(names, reverse=True))
            + f"; got {sorted(bounds)}."
        )
