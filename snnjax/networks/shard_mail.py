"""What a step of a network emits, and the mail it goes with."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from snnjax.connect.bits import BITS
from snnjax.networks.network import Network
from snnjax.networks.population import Fired, PopulationState
from snnjax.networks.shard_cut import spread
from snnjax.networks.shard_deliver import Mail
from snnjax.networks.shard_exchange import Emitted, Received
from snnjax.networks.shard_plan import lineups_of
from snnjax.networks.state import NetworkState


def emit(
    network: Network,
    releases: dict[str, Any],
    populations: dict[str, PopulationState],
    fired: dict[str, Fired],
    dt: Any,
) -> tuple[dict[str, Emitted], dict[str, Any]]:
    """(what populations, and projections with a release, send in a step; new releases)."""
    emitted, releases = {}, dict(releases)
    for name, s in network.synapses.items():
        spikes, support = fired[s.ends.source]
        if s.release is None:
            emitted[s.ends.source] = Emitted(spikes, support)
            continue
        own = slice(*s.ends.source_slice)
        v = getattr(populations[s.ends.source].neuron, "v", None)
        given = spikes[..., own], None if v is None else v[..., own]
        releases[name], amount = s.release.step(releases[name], given, dt)
        some = jnp.ones(amount.shape, bool)
        if s.release.event:
            some = (lax.stop_gradient(given[0]) != 0) | support[..., own]
        emitted[name] = Emitted(amount, some)
    return emitted, releases


def no_mail(
    network: Network, state: NetworkState, period: int, n_devices: int, dt: Any
) -> Mail | None:
    """An empty `Mail`, of whole blocks; None where spikes are exchanged in every step."""
    if period == 1:
        return None

    def first(state):
        populations, fired = network.advance(state.populations, None, dt)
        return emit(network, state.releases, populations, fired, dt)[0]

    one = jax.eval_shape(first, state)
    own = lambda x: spread(jnp.zeros((period, *x.shape), x.dtype), n_devices)
    lineups, lead = lineups_of(network, n_devices), (n_devices, period)
    amount, words = {}, {}
    for name, (x, _) in one.items():
        shape = (*lead, *x.shape[:-1], lineups[name].n)
        amount[name] = jnp.zeros(shape, x.dtype)
        words[name] = jnp.zeros((*shape[:-1], shape[-1] // BITS), jnp.uint32)
    return Mail(jax.tree.map(own, one), Received(amount, words, words))
