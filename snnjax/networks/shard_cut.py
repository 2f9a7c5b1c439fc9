"""How a network is cut: neurons in even blocks over devices, synapses to where they end."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from snnjax.connect.rows import SparseRows
from snnjax.core.backend import list_capacity
from snnjax.core.checks import is_traced
from snnjax.networks.projection import Synapses
from snnjax.networks.shard_lineup import block


def spread(x: Array, n_devices: int) -> Array:
    """`x` with zeros after its last axis, up to whole blocks."""
    n = x.shape[-1]
    widths = [(0, 0)] * (x.ndim - 1) + [(0, block(n, n_devices) * n_devices - n)]
    return jnp.pad(x, widths)


def cut_ring(ring: Array, size: int, n_devices: int) -> Array:
    """[slots * size] as the rings of all devices, one after the other."""
    lead = ring.shape[:-1]
    ring = spread(ring.reshape(*lead, -1, size), n_devices)
    ring = ring.reshape(*ring.shape[:-1], n_devices, -1)
    return jnp.moveaxis(ring, -2, -3).reshape(*lead, -1)


def join_ring(rings: Array, size: int, n_devices: int) -> Array:
    """The inverse of `cut_ring`."""
    lead = rings.shape[:-1]
    rings = rings.reshape(*lead, n_devices, -1, block(size, n_devices))
    ring = jnp.moveaxis(rings, -3, -2)
    ring = ring.reshape(*ring.shape[:-2], -1)[..., :size]
    return ring.reshape(*lead, -1)


class Rows(NamedTuple):
    """Which of `n` rows the sources of a projection have; the others are empty."""

    of_source: Int[np.ndarray, "sources"]
    n: int


def cut_synapses(s: Synapses, rows: Rows, size: int, n_devices: int) -> Synapses:
    """`s` with a first axis of devices: each has the synapses onto its block of `size` targets.

    A device has a row for every source, and the order of synapses in it stays. Rows of devices
    are filled up to one length with synapses that no row reaches. Numbers for all synapses
    stay one number.
    """
    if is_traced((s.post, s.indptr, s.counts)):
        raise ValueError(
            "Network.shard needs to know the wiring: cut the network outside of jit. Weights "
            "may be traced, as in a gradient."
        )
    if s.post is None:
        return _cut_matrix(s, rows, size, n_devices)
    indptr = np.asarray(s.indptr)
    n = int(indptr[-1])
    row = np.repeat(rows.of_source, np.diff(indptr))
    post = np.asarray(s.post)[:n].astype(np.int64) + s.ends.target_slice[0]
    per_device = block(size, n_devices)
    device, post = np.divmod(post, per_device)
    degrees = np.bincount(device * rows.n + row, minlength=n_devices * rows.n)
    degrees = degrees.reshape(n_devices, rows.n)
    number = degrees.sum(1)
    width = max(1, int(number.max()))
    own = np.full((n_devices, width), n)
    own[np.arange(width) < number[:, None]] = np.lexsort((row, device))
    each = lambda x: x if jnp.ndim(x) == 0 else jnp.take(x, own, mode="fill", fill_value=0)
    return dataclasses.replace(
        s,
        weight=each(s.weight),
        delay=None if s.delay is None else each(s.delay),
        post=np.append(post, per_device)[own].astype(np.uint32),
        indptr=np.pad(degrees.cumsum(1), ((0, 0), (1, 0))).astype(np.uint32),
        longest=int(degrees.max(initial=0)),
        n_synapses=width,
    )


def _cut_matrix(s: Synapses, rows: Rows, size: int, n_devices: int) -> Synapses:
    n_pre, n_post = s.shape
    first, per_device = s.ends.target_slice[0], block(size, n_devices)

    def columns(x):
        x = jnp.pad(x.reshape(n_pre, n_post), ((0, 0), (first, size - first - n_post)))
        x = spread(x, n_devices).reshape(n_pre, n_devices, per_device)
        none = jnp.zeros((n_devices, rows.n, per_device), x.dtype)
        return none.at[:, rows.of_source].set(jnp.moveaxis(x, 1, 0))

    n = rows.n * per_device
    if s.counts is None and jnp.ndim(s.weight):
        weight = columns(s.weight).reshape(n_devices, -1)
        return dataclasses.replace(s, weight=weight, n_synapses=n)
    counts = jnp.ones((n_pre, n_post), jnp.int8) if s.counts is None else s.counts
    return dataclasses.replace(s, counts=columns(counts), operator="counts", n_synapses=n)


def join_synapses(s: Synapses, rows: Rows, size: int, n_devices: int) -> Synapses:
    """The inverse of `cut_synapses`; where a row of the wiring was not in the order of its
    targets, it is then in the order of the devices."""
    first, last = s.ends.target_slice
    per_device = block(size, n_devices)
    if s.post is None:

        def matrix(x):
            x = x.reshape(n_devices, rows.n, per_device)[:, rows.of_source]
            return jnp.moveaxis(x, 0, 1).reshape(s.shape[0], -1)[:, first:last]

        if s.counts is not None:
            counts = matrix(s.counts)
            return dataclasses.replace(s, counts=counts, n_synapses=int(counts.sum()))
        weight = matrix(s.weight).ravel()
        return dataclasses.replace(s, weight=weight, n_synapses=weight.size)
    post, indptr = np.asarray(s.post), np.asarray(s.indptr)
    degrees = np.diff(indptr, axis=1)
    used = np.arange(post.shape[1]) < indptr[:, -1:]
    post = post + np.arange(n_devices)[:, None] * per_device - first
    source = np.zeros(rows.n, int)
    source[rows.of_source] = np.arange(s.shape[0])
    source = np.repeat(np.tile(source, n_devices), degrees.ravel())
    own = np.flatnonzero(used)[np.argsort(source, kind="stable")]
    each = lambda x: x if jnp.ndim(x) == 0 else jnp.ravel(x)[own]
    out = degrees.sum(0)[rows.of_source]
    return dataclasses.replace(
        s,
        weight=each(s.weight),
        delay=None if s.delay is None else each(s.delay),
        post=jnp.asarray(post.ravel()[own], jnp.uint32),
        indptr=jnp.asarray(np.append(0, out.cumsum()), jnp.uint32),
        longest=int(out.max(initial=0)),
        n_synapses=len(own),
    )


def open_synapses(s: Synapses, shape: tuple[int, int], n_slots: int, dt: Any) -> Any:
    """(weights, rows) of one device, from its part of what `cut_synapses` gave.

    - `shape`: rows, and targets on the device. `n_slots`: steps of the buffer.
    """
    ends = s.ends._replace(source_slice=(0, shape[0]), target_slice=(0, shape[1]))
    own = jax.tree.map(lambda x: x[0] if jnp.ndim(x) else x, s)
    weights, rows = dataclasses.replace(own, ends=ends).rows(dt, shape[1], n_slots)
    if isinstance(rows, SparseRows):
        rows = dataclasses.replace(rows, capacity=list_capacity(s.shape[0]))
    return weights.read, rows


def placed(tree: Any, sharding: jax.sharding.NamedSharding) -> Any:
    """Arrays of `tree`, cut along their first axis, each part on its device alone."""

    def one(x):
        if not jnp.ndim(x):
            return x
        if is_traced(x):
            return jax.lax.with_sharding_constraint(x, sharding)
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda part: x[part])

    return jax.tree.map(one, tree)
