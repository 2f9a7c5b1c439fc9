"""The program that runs one batch of points: compiled once, on one device or several."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from snnjax.core.backend import sweep_batch
from snnjax.core.provenance import program_digest
from snnjax.sweeps.bind import Bound
from snnjax.sweeps.outputs import Outputs, as_arrays, by_name, function_name, outputs_of
from snnjax.sweeps.points import Points

AXIS = "points"
PARTS = 8  # a batch that raises is tried again in


class Program:
    """`function` at the points of one batch, with the `fixed` values of static parameters."""

    def __init__(self, bound: Bound, fixed: dict[str, Any], points: Points, key: Any):
        self.bound, self.fixed, self.points = bound, fixed, points
        self.key = key if bound.takes_key else None
        self.moving = [n for n in points.axes if n not in fixed]
        self.name = function_name(bound.function)
        self.outputs: Outputs | None = None  # unless the function raised
        self.error: Exception | None = None
        self._look()

    def at_point(self, values: dict[str, Any], number: Any, key: Any) -> dict[str, Any]:
        """What the function gives, by name."""
        if key is not None:
            key = jax.random.fold_in(key, number)
        return by_name(as_arrays(self.bound(self.fixed | values, key)), self.name)

    def arguments(self, numbers: np.ndarray) -> tuple[dict[str, Any], Any]:
        """What the points counted by `numbers` are given."""
        taken = self.points.take(numbers)
        values = {n: jnp.asarray(taken[n]) for n in self.moving}
        return values, jnp.asarray(self.points.numbers[numbers], jnp.uint32)

    def _look(self) -> None:
        """What the function gives, without running it."""
        try:
            found = jax.eval_shape(self.at_point, *self._first(), self.key)
            self.outputs = outputs_of(found, self.name)
        except Exception as error:
            if "Tracer" in f"{type(error).__name__} {error}":
                raise ValueError(
                    f"sweep.function {self.name} needs the value itself of a parameter, as of "
                    "one that decides how many steps there are. Give that parameter, one of "
                    f"{', '.join(self.moving)}, as snn.sweeps.static([...])."
                ) from error
            self.error = error

    def compile(self, size: int, devices: Sequence[Any]) -> "Compiled":
        """For batches of `size` points, rounded up to a multiple of the number of devices."""
        return Compiled(self, math.ceil(size / len(devices)) * len(devices), devices)

    def fingerprint(self) -> str:
        """Of what is computed at a point, to tell one sweep from another."""
        return program_digest(self.at_point, *self._first(), self.key)

    def _first(self) -> Any:
        return jax.tree.map(lambda x: x[0], self.arguments(np.zeros(1, int)))


class Compiled:
    """A program of fixed size."""

    def __init__(self, program: Program, size: int, devices: Sequence[Any]):
        self.program, self.size = program, size
        mesh = Mesh(np.array(devices), (AXIS,))
        self.sharding = NamedSharding(mesh, PartitionSpec(AXIS))
        many = jax.vmap(program.at_point, in_axes=(0, 0, None))
        if len(devices) > 1:
            over = PartitionSpec(AXIS)
            # Each device runs its own loop over time: nothing is sent between them.
            many = jax.shard_map(
                many, mesh=mesh, in_specs=(over, over, PartitionSpec()), out_specs=over,
                check_vma=False,
            )  # fmt: skip
        self.key = jax.device_put(program.key, NamedSharding(mesh, PartitionSpec()))
        example = self._place(np.zeros(size, int))
        self.call = jax.jit(many).lower(*example, self.key).compile()

    def _place(self, numbers: np.ndarray) -> Any:
        return jax.device_put(self.program.arguments(numbers), self.sharding)

    def __call__(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """At the points counted by `numbers`, at most `size`: the rest is filled up with them."""
        filled = np.resize(numbers, self.size)
        found = self.call(*self._place(filled), self.key)
        return {n: np.asarray(x)[: len(numbers)] for n, x in found.items()}

    @functools.cached_property
    def smaller(self) -> "Compiled":
        """Of a part of the size, to find out which points raise."""
        return self.program.compile(
            math.ceil(self.size / PARTS), self.sharding.mesh.devices.ravel().tolist()
        )

    @property
    def bytes(self) -> int:
        """What a batch takes on its devices: arguments, results and what lies between."""
        memory = self.call.memory_analysis()
        each = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
        )
        return each * self.sharding.mesh.size


def fitting(program: Program, n: int, batch: Any, max_memory: float, devices) -> Compiled:
    """Compiled for `n` points in batches of equal size that keep to `max_memory` bytes."""
    if batch != "auto":
        return program.compile(min(batch, n), devices)
    least = len(devices)
    size = min(sweep_batch() * least, int(max_memory // max(program.outputs.bytes, 1)))
    while True:
        size = math.ceil(n / math.ceil(n / max(size, least)))  # batches of equal size
        compiled = program.compile(size, devices)
        if compiled.bytes <= max_memory or compiled.size <= least:
            return compiled
        size = int(min(size * max_memory / compiled.bytes, size / 2))
