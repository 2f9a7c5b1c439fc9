"""COBAHH: 4000 Hodgkin-Huxley cells; defined in `snnjax.networks.cobahh`."""

from _timing import time_networks

if __name__ == "__main__":
    time_networks("cobahh")
