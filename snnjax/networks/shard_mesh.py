"""The devices that a sharded network is cut over."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from snnjax.core import checks
from snnjax.core.cores import first_devices


def mesh_of(devices: Any, axis: str | None) -> tuple[Mesh, str]:
    """(a mesh, the axis of it that shares the network)."""
    if isinstance(devices, Mesh):
        names = list(devices.axis_names)
        if axis is None and len(names) > 1:
            raise ValueError(f"Network.shard.axis must be one of the mesh's {names}.")
        return devices, checks.one_of(axis or names[0], names, "Network.shard.axis")
    if not isinstance(devices, list | tuple):
        devices = first_devices(devices, "Network.shard.devices", jax.devices())
    if not devices:
        raise ValueError("Network.shard.devices must be at least one device, got none.")
    axis = axis or "neurons"
    return Mesh(np.array(devices), (axis,)), axis


class Devices(NamedTuple):
    """A mesh, and the axis of it that shares the network."""

    mesh: Mesh
    axis: str

    @property
    def n(self) -> int:
        return self.mesh.shape[self.axis]

    @property
    def sharding(self) -> NamedSharding:
        """Of an array whose first axis is that of devices."""
        return NamedSharding(self.mesh, PartitionSpec(self.axis))

    def each(self, weight: Array) -> Array:
        """A number for all synapses once for each device, which so has its own gradient."""
        return weight if jnp.ndim(weight) else jnp.broadcast_to(weight, self.n)

    def last(self, x: Array) -> PartitionSpec:
        """Of an array whose last axis is in blocks of devices."""
        return PartitionSpec(*[None] * (x.ndim - 1), self.axis)

    def kept_apart(self, x: Any) -> Any:
        """An array of neurons with each block on its device, where blocks are even."""
        if not eqx.is_inexact_array(x) or not x.ndim or x.shape[-1] % self.n:
            return x
        return lax.with_sharding_constraint(x, NamedSharding(self.mesh, self.last(x)))

    def run(self, f: Callable, given: Any, made: Any) -> Callable:
        """`f` on every device, with its part of the arguments."""
        # Whole spikes are the same everywhere, which jax cannot see of what is gathered.
        return jax.shard_map(
            f, mesh=self.mesh, in_specs=given, out_specs=made, check_vma=False
        )
