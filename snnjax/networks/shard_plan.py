"""What of a sharded network is known before it runs: devices, routes, when to exchange."""

import math
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from snnjax.core import checks
from snnjax.core.neuron import AbstractNeuron
from snnjax.core.threshold import Threshold
from snnjax.inputs.poisson import Bernoulli, Poisson
from snnjax.networks.network import Network
from snnjax.networks.projection import Synapses
from snnjax.networks.shard_deliver import Office, Route
from snnjax.networks.shard_exchange import Exchange
from snnjax.networks.source import Source


def shortest_delay(s: Synapses) -> float | None:
    """The shortest delay of a projection, ms; None for one step, or if it may yet change."""
    fixed = s.delay is not None and not s.interpolate and not checks.is_traced(s.delay)
    return float(np.min(s.delay)) if fixed and np.size(s.delay) else None


def mesh_of(devices: Any, axis: str | None) -> tuple[Mesh, str]:
    """(a mesh, the axis of it that shares the network)."""
    if isinstance(devices, Mesh):
        names = list(devices.axis_names)
        if axis is None and len(names) > 1:
            raise ValueError(f"Network.shard.axis must be one of the mesh's {names}.")
        return devices, checks.one_of(axis or names[0], names, "Network.shard.axis")
    if not isinstance(devices, list | tuple):
        n, there = checks.count(devices, "Network.shard.devices"), jax.devices()
        if n > len(there):
            raise ValueError(
                f"Network.shard.devices={n}, but jax sees {len(there)}. On a CPU call "
                f"snnjax.use_cores({n}) before jax starts."
            )
        devices = there[:n]
    if not devices:
        raise ValueError("Network.shard.devices must be at least one device, got none.")
    axis = axis or "neurons"
    return Mesh(np.array(devices), (axis,)), axis


def period_of(
    synapses: Iterable[Synapses], shortest: Iterable[float | None], slots: dict[str, int]
) -> int:
    """Steps from one exchange to the next, at most those of the shortest delay.

    `slots`: by port, of the rings. They tell the step: a ring of n slots has a longest delay of
    n steps, so that dt is below delay / (n - 1/2).
    """
    pairs, longest = list(zip(synapses, shortest, strict=True)), {}
    for s, delay in pairs:
        if delay is None or s.max_delay is None or slots[s.ends.port] == 1:
            return 1
        longest[s.ends.port] = max(longest.get(s.ends.port, 0.0), s.max_delay)
    dt = min((x / (slots[port] - 0.5) for port, x in longest.items()), default=1.0)
    known = [(s.ends.port, delay) for s, delay in pairs if delay is not None]
    steps = [
        slots[port] if delay == longest[port] else math.ceil(delay / dt - 0.501)
        for port, delay in known
    ]
    return max(1, min(steps, default=1))


def office_of(network: Network, blocks: dict[str, int], period: int, axis: str) -> Office:
    """Who sends to whom in `network`; see `Office`."""
    routes, sizes, spikes = {}, {}, set()
    for name, s in network.synapses.items():
        source, port = network.populations[s.ends.source], s.ends.port
        if s.release is not None:
            routes[name], sizes[name] = Route(name, (0, s.shape[0]), port), s.shape[0]
            continue
        routes[name] = Route(s.ends.source, s.ends.source_slice, port)
        sizes[s.ends.source] = source.size
        if _fires_once(source.neuron):
            spikes.add(s.ends.source)
    return Office(routes, blocks, Exchange(sizes, frozenset(spikes), axis), period)


def _fires_once(neuron: Any) -> bool:
    """Whether what it fires is 0 or 1 in each step."""
    if isinstance(neuron, Source):
        return isinstance(neuron.spikes, Bernoulli | Poisson)
    is_threshold = lambda x: isinstance(x, Threshold)
    smooth = (
        x.smooth for x in jax.tree.leaves(neuron, is_leaf=is_threshold) if is_threshold(x)
    )
    return isinstance(neuron, AbstractNeuron) and not any(smooth)
