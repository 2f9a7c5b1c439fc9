"""Brunel 2000: 12,500 neurons in four regimes; defined in `snnjax.networks.brunel`."""

from _timing import time_networks

if __name__ == "__main__":
    regimes = ("ai", "ai_alpha", "si_slow", "si_fast", "sr")
    time_networks(*(f"brunel_{regime}" for regime in regimes))
