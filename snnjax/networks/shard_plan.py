"""What of a sharded network is known before it runs: devices, routes, when to exchange."""

import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core import checks
from snnjax.core.neuron import AbstractNeuron
from snnjax.core.threshold import Threshold
from snnjax.inputs.poisson import Bernoulli, Poisson
from snnjax.networks.network import Network
from snnjax.networks.projection import Synapses
from snnjax.networks.shard_cut import Rows
from snnjax.networks.shard_deliver import Office, Route
from snnjax.networks.shard_exchange import Exchange
from snnjax.networks.shard_lineup import Lineup
from snnjax.networks.source import Source


def shortest_delay(s: Synapses) -> float | None:
    """The shortest delay of a projection, ms; None for one step, or if it may yet change."""
    fixed = s.delay is not None and not s.interpolate and not checks.is_traced(s.delay)
    return float(np.min(s.delay)) if fixed and np.size(s.delay) else None


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


def lineups_of(network: Network, n_devices: int) -> dict[str, Lineup]:
    """By emitter, the order in which its words are gathered."""
    sizes = {
        emitter_of(name, s): network.populations[s.ends.source].size
        if s.release is None
        else s.shape[0]
        for name, s in network.synapses.items()
    }
    return {emitter: Lineup(size, n_devices) for emitter, size in sizes.items()}


def emitter_of(name: str, s: Synapses) -> str:
    """Whose spikes a projection takes: a population's, or its own if it has a release."""
    return s.ends.source if s.release is None else name


def route_of(name: str, network: Network) -> Route:
    """How a projection takes spikes.

    Arrivals are added up one by one. Where that begins at a receptor's state, and not at 0 in a
    ring, the order of unequal terms changes the rounding; so there it is kept.
    """
    s = network.synapses[name]
    bounds = s.ends.source_slice if s.release is None else (0, s.shape[0])
    onto = (other for other in network.synapses.values() if other.ends.port == s.ends.port)
    ring = any(other.delay is not None for other in onto)
    ordered = not ring and (jnp.ndim(s.weight) > 0 or s.release is not None)
    return Route(emitter_of(name, s), bounds, s.ends.port, ordered)


def rows_of(name: str, network: Network, n_devices: int) -> Rows:
    """Which rows the sources of a projection have on each device."""
    emitter, bounds, _, ordered = route_of(name, network)
    if ordered:
        n = bounds[1] - bounds[0]
        return Rows(np.arange(n), n)
    lineup = lineups_of(network, n_devices)[emitter]
    return Rows(lineup.places()[slice(*bounds)], lineup.n)


def office_of(
    network: Network, blocks: dict[str, int], period: int, mesh_axis: Any
) -> Office:
    """Who sends to whom in `network`; see `Office`. `mesh_axis`: its name and its length."""
    axis, n_devices = mesh_axis
    routes = {name: route_of(name, network) for name in network.synapses}
    spikes = {
        s.ends.source
        for s in network.synapses.values()
        if s.release is None and _fires_once(network.populations[s.ends.source].neuron)
    }
    exchange = Exchange(lineups_of(network, n_devices), frozenset(spikes), axis)
    return Office(routes, blocks, exchange, period)


def _fires_once(neuron: Any) -> bool:
    """Whether what it fires is 0 or 1 in each step."""
    if isinstance(neuron, Source):
        return isinstance(neuron.spikes, Bernoulli | Poisson)
    is_threshold = lambda x: isinstance(x, Threshold)
    smooth = (
        x.smooth for x in jax.tree.leaves(neuron, is_leaf=is_threshold) if is_threshold(x)
    )
    return isinstance(neuron, AbstractNeuron) and not any(smooth)
