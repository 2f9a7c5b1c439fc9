"""Published networks, ready to run."""

from snnjax.core.gather import gather
from snnjax.networks.event_driven import Arrivals, simulate_events
from snnjax.networks.gap import GapJunction
from snnjax.networks.izhikevich_2003 import izhikevich_2003
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection
from snnjax.networks.shard import ShardedNetwork
from snnjax.networks.state import NetworkState

__all__ = [
    "Arrivals",
    "GapJunction",
    "Network",
    "NetworkState",
    "Population",
    "Projection",
    "ShardedNetwork",
    "gather",
    "izhikevich_2003",
    "simulate_events",
]
