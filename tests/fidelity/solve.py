"""The adaptive reference solver itself."""

import numpy as np

import snnjax as snn
from snnjax.core.solve import solve
from tests.fidelity import row


@row(
    "solve",
    reference="closed form",
    check="spike times of LIF under 300 pA for 100 ms",
    unit="ms",
    bound=1e-8,
)
def lif_spike_times():
    times = np.asarray(solve(snn.LIF(), 300.0, 100.0, max_spikes=20).stats["spike_times"])
    climb = 10 * np.log(3.0)
    expected = np.arange(climb, 100.0, climb + 2.0)
    return np.abs(times[: len(expected)] - expected).max()
