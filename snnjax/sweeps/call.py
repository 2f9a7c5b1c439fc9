"""A function of parameters at many points: in batches, on all devices, labelled."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import jax

from snnjax.core import checks
from snnjax.core.cores import first_devices
from snnjax.sweeps.bind import Bound, bind
from snnjax.sweeps.job import Job
from snnjax.sweeps.points import Points, points_of
from snnjax.sweeps.program import Program
from snnjax.sweeps.result import SweepResult
from snnjax.sweeps.store import Store, made_by


def sweep(
    function: Callable,
    over: Any,
    *,
    model: Any = None,
    key: Any = None,
    batch: int | Literal["auto"] = "auto",
    max_memory: float = 1e9,
    devices: int | Sequence[Any] | None = None,
    store: Any = None,
    progress: bool = False,
    on_error: Literal["record", "raise"] = "record",
) -> SweepResult:
    """`function(**parameters)` at many points, labelled by their parameters.

        rate = lambda g_na, current: snn.firing_rate(
            snn.HodgkinHuxley(g_na=g_na), current, dt=0.01, duration=500.0)
        table = snn.sweep(rate, over=dict(g_na=jnp.linspace(60, 180, 200),
                                          current=jnp.linspace(0, 50, 50)))
        table["value"].values   # Hz, [200, 50]

    - `function`: of arrays of one point; gives a number, an array, or a tree of them. It is
      traced, once for all points: as a function for `jax.jit` and `jax.vmap`.
    - `over`: {parameter: values}, all combinations; or `snn.sweeps.zipped`, `uniform`,
      `latin_hypercube`, `sobol` or products of them. Values that decide the program, such as
      `dt` or which integrator, are `snn.sweeps.static([...])`.
    - `model`: then the function is called with the model first, and a parameter it has no
      argument for is a leaf of the model by path: `over={"g_na": ..., "threshold.level": ...}`.
      Choices may be of a part of it: `{"integrator": [snn.RK4(), snn.Euler()]}`.
    - `key`: a function with an argument `key` gets another one at each point, which depends on
      the number of the point alone.

    **How it is run**

    - `batch`: points at once. "auto": as many as the device likes and as keep what the
      compiled program takes below `max_memory` (bytes). All batches have the same size, and
      run the same program: the last one is filled up.
    - `devices`: how many, or which, to split each batch over; all of this process by default.
      On a CPU see `use_cores`. With `jax.distributed`, each process runs its share of the
      batches, and all get the whole result.
    - `store`: a folder. Each finished batch is written there; called again with the same
      arguments, also after the process was killed, `sweep` goes on where it stopped, and gives
      the same numbers bit for bit. Another function, grid or key is refused.
    - `progress`: show a bar. Ctrl-C ends the sweep with a warning; what was not run is in
      `failed`.
    - `on_error`: "record" keeps the points that are not finite, or where the function raised,
      in `result.failed`, with parameters and reason; "raise" raises `SweepError` at the first.

    Memory: results of all points in that of the host, and one batch on the devices.
    """
    checks.one_of(on_error, ["record", "raise"], "sweep.on_error")
    if batch != "auto":
        batch = checks.count(batch, "sweep.batch, where it is not 'auto',")
    devices = _devices(devices)
    points = points_of(over)
    max_memory = float(checks.positive(max_memory, "sweep.max_memory", "bytes"))
    choices = [n for n, axis in points.axes.items() if axis.static]
    bound = bind(function, points.axes, model, "sweep", choices=choices)
    for name, spec in bound.specs.items():
        spec.check(points.axes[name].values, f"sweep.over: {name}")
    if key is not None:
        checks.random_key(key, "sweep.key")
        key = key if checks.is_key(key) else jax.random.wrap_key_data(key)
        if not bound.takes_key:
            raise ValueError("sweep.key is given, but the function has no argument `key`.")
    elif bound.needs_key:
        raise ValueError(
            "sweep.key is needed: the function takes one. Give jax.random.key(0)."
        )
    folder = None
    programs, numbers = _programs(bound, points, key, on_error)
    if store is not None:
        folder = Store(store, made_by([p for p in programs if p.outputs], points, key))
    job = Job(points, programs, numbers, devices, folder, on_error)
    return job.run(batch, max_memory, progress)


def _programs(bound: Bound, points: Points, key: Any, on_error: str) -> Any:
    """(a program for each choice of the static parameters, the points of each)."""
    groups = points.groups()
    programs = [Program(bound, fixed, points, key) for fixed, _ in groups]
    broken = [p for p in programs if p.outputs is None]
    if broken and (on_error == "raise" or len(broken) == len(programs)):
        raise broken[0].error or AssertionError
    _require_one_shape([p for p in programs if p.outputs])
    return programs, [numbers for _, numbers in groups]


def _require_one_shape(programs: list[Program]) -> None:
    first = programs[0]
    for other in programs[1:]:
        if other.outputs != first.outputs:
            raise ValueError(
                f"sweep.function must give the same shapes at all points, but gives "
                f"{first.outputs} at {first.fixed} and {other.outputs} at {other.fixed}. "
                "Let it give features, or traces on a common clock."
            )


def _devices(asked: Any) -> Sequence[Any]:
    here = jax.local_devices()
    if asked is None:
        return here
    if isinstance(asked, Iterable):
        asked = list(asked)
        if not asked or not set(asked) <= set(here):
            raise ValueError(
                f"sweep.devices must be some of jax.local_devices(), got {asked}."
            )
        return asked
    return first_devices(asked, "sweep.devices", here)
