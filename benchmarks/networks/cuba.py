"""CUBA: 4000 neurons, with delays, and 16,000; defined in `snnjax.networks.cuba`."""

from _timing import time_networks

if __name__ == "__main__":
    time_networks("cuba_4000", "cuba_delays", "cuba_16000")
