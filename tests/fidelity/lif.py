"""Leaky integrate-and-fire neuron."""

import numpy as np

import snnjax as snn
from tests.fidelity import row


@row(
    "LIF",
    reference="closed form",
    check="v under 120 pA for 50 ms in steps of 1 ms",
    unit="mV",
    bound=1e-12,
)
def subthreshold_response():
    sol = snn.simulate(snn.LIF(), np.full(50, 120.0), 1.0, record=snn.Trace("v"))
    return np.max(np.abs(sol.ys - (-75.0 + 12.0 * (1 - np.exp(-sol.ts / 10.0)))))
