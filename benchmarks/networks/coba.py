"""COBA: 4000 and 16,000 neurons; defined in `snnjax.networks.coba`."""

from _timing import time_networks

if __name__ == "__main__":
    time_networks("coba_4000", "coba_16000")
