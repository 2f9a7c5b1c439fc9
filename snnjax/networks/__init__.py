"""Published networks, ready to run."""

from snnjax.networks.izhikevich_2003 import izhikevich_2003

__all__ = ["izhikevich_2003"]
