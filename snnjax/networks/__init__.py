"""Published networks, ready to run."""

from snnjax.networks.izhikevich_2003 import izhikevich_2003
from snnjax.networks.network import Network
from snnjax.networks.population import Population
from snnjax.networks.projection import Projection

__all__ = ["Network", "Population", "Projection", "izhikevich_2003"]
