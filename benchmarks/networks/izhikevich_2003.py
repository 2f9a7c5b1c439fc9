"""Izhikevich 2003: 1000 neurons, and 4000 at in-degree 100; `snnjax.networks.izhikevich_2003`."""

from _timing import time_networks

if __name__ == "__main__":
    time_networks("izhikevich_1000", "izhikevich_4000")
