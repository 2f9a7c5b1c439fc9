"""How a network is cut: neurons in even blocks over devices, synapses to where they end."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from snnjax.core.checks import is_traced
from snnjax.networks.projection import Synapses


def block(size: int, n_devices: int) -> int:
    """Neurons of a population of `size` on each device; the last ones may have fewer."""
    return -(-size // n_devices)


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


def cut_synapses(s: Synapses, size: int, n_devices: int) -> Synapses:
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
        return _cut_matrix(s, size, n_devices)
    indptr = np.asarray(s.indptr)
    n, n_pre = int(indptr[-1]), len(indptr) - 1
    pre = np.repeat(np.arange(n_pre), np.diff(indptr))
    post = np.asarray(s.post)[:n].astype(np.int64) + s.ends.target_slice[0]
    per_device = block(size, n_devices)
    device, post = np.divmod(post, per_device)
    degrees = np.bincount(device * n_pre + pre, minlength=n_devices * n_pre)
    degrees = degrees.reshape(n_devices, n_pre)
    number = degrees.sum(1)
    width = max(1, int(number.max()))
    own = np.full((n_devices, width), n)
    own[np.arange(width) < number[:, None]] = np.argsort(device, kind="stable")
    each = lambda x: x if jnp.ndim(x) == 0 else jnp.take(x, own, mode="fill", fill_value=0)
    return dataclasses.replace(
        s,
        weight=each(s.weight),
        delay=None if s.delay is None else each(s.delay),
        post=np.append(post, per_device)[own].astype(np.int32),
        indptr=np.pad(degrees.cumsum(1), ((0, 0), (1, 0))).astype(np.int32),
        longest=int(degrees.max(initial=0)),
        n_synapses=width,
    )


def _cut_matrix(s: Synapses, size: int, n_devices: int) -> Synapses:
    n_pre, n_post = s.shape
    first = s.ends.target_slice[0]

    def columns(x):
        x = x.reshape(n_pre, n_post)
        x = jnp.pad(x, ((0, 0), (first, size - first - n_post)))
        x = spread(x, n_devices).reshape(n_pre, n_devices, -1)
        return jnp.moveaxis(x, 1, 0)

    n = n_pre * block(size, n_devices)
    if s.counts is None and jnp.ndim(s.weight):
        weight = columns(s.weight).reshape(n_devices, -1)
        return dataclasses.replace(s, weight=weight, n_synapses=n)
    counts = jnp.ones((n_pre, n_post), jnp.int8) if s.counts is None else s.counts
    return dataclasses.replace(s, counts=columns(counts), operator="counts", n_synapses=n)


def join_synapses(s: Synapses, size: int) -> Synapses:
    """The inverse of `cut_synapses`; where a row of the wiring was not in the order of its
    targets, it is then in the order of the devices."""
    first, last = s.ends.target_slice
    if s.post is None:
        n_pre, n = s.shape[0], s.shape[0] * (last - first)

        def matrix(x):
            x = jnp.moveaxis(x.reshape(len(x), n_pre, -1), 0, 1)
            return x.reshape(n_pre, -1)[:, first:last]

        if s.counts is not None:
            counts = matrix(s.counts)
            return dataclasses.replace(s, counts=counts, n_synapses=int(counts.sum()))
        return dataclasses.replace(s, weight=matrix(s.weight).ravel(), n_synapses=n)
    post, indptr = np.asarray(s.post), np.asarray(s.indptr)
    degrees = np.diff(indptr, axis=1)
    n_devices, n_pre = degrees.shape
    used = np.arange(post.shape[1]) < indptr[:, -1:]
    post = post + np.arange(n_devices)[:, None] * block(size, n_devices) - first
    sources = np.tile(np.arange(n_pre), n_devices)
    own = np.flatnonzero(used)[
        np.argsort(np.repeat(sources, degrees.ravel()), kind="stable")
    ]
    each = lambda x: x if jnp.ndim(x) == 0 else jnp.ravel(x)[own]
    out = degrees.sum(0)
    return dataclasses.replace(
        s,
        weight=each(s.weight),
        delay=None if s.delay is None else each(s.delay),
        post=jnp.asarray(post.ravel()[own], jnp.int32),
        indptr=jnp.asarray(np.append(0, out.cumsum()), jnp.int32),
        longest=int(out.max(initial=0)),
        n_synapses=len(own),
    )


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
