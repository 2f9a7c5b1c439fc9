"""Published networks."""

import jax
import numpy as np

import snnjax as snn
from tests.fidelity import row


@row(
    "izhikevich_2003",
    reference="Izhikevich 2003, its script, 10 seeds",
    check="mean rates of 800 excitatory and 200 inhibitory cells, 7.58 and 7.23 Hz, in 1 s",
    unit="Hz",
    bound=0.25,  # three standard errors of the mean of 10 seeds
)
def rates():
    counts = []
    for seed in range(10):
        network, drive = snn.networks.izhikevich_2003(key=jax.random.key(seed))
        sol = snn.simulate(network, drive, 1.0, duration=1000.0, record=snn.SpikeCount())
        counts.append(np.asarray(sol.ys))
    mean = np.mean(counts, 0)
    return max(abs(mean[:800].mean() - 7.58), abs(mean[800:].mean() - 7.23))
