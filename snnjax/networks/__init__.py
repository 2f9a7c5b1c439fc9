"""Published networks, ready to run."""

from snnjax.core.gather import gather
from snnjax.networks.brette_2007 import coba, cobahh, cuba
from snnjax.networks.brunel_2000 import brunel
from snnjax.networks.event_driven import Arrivals, simulate_events
from snnjax.networks.gap import GapJunction
from snnjax.networks.izhikevich_2003 import izhikevich_2003
from snnjax.networks.liquid_state_machine import liquid_state_machine, liquid_states
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.potjans_diesmann_2014 import potjans_diesmann
from snnjax.networks.projection import Projection
from snnjax.networks.ring_attractor import direction, ring_attractor
from snnjax.networks.shard import ShardedNetwork
from snnjax.networks.song_abbott_2000 import song_abbott
from snnjax.networks.source import Relay
from snnjax.networks.start import initial_state
from snnjax.networks.state import NetworkState

__all__ = [
    "Arrivals",
    "GapJunction",
    "Network",
    "NetworkState",
    "Population",
    "Projection",
    "Relay",
    "ShardedNetwork",
    "brunel",
    "coba",
    "cobahh",
    "cuba",
    "direction",
    "gather",
    "initial_state",
    "izhikevich_2003",
    "liquid_state_machine",
    "liquid_states",
    "potjans_diesmann",
    "ring_attractor",
    "simulate_events",
    "song_abbott",
]
