"""A tenth of the cortical column of Potjans & Diesmann 2014, with a tenth of the inputs and
with all; defined in `snnjax.networks.potjans_diesmann`.
"""

from _timing import time_networks

if __name__ == "__main__":
    time_networks("potjans_diesmann_10", "potjans_diesmann_10_full_in_degree")
