"""Izhikevich's simple model."""

import numpy as np

import snnjax as snn
from snnjax.neurons import IZHIKEVICH_PATTERNS, Izhikevich, izhikevich_pattern
from tests.fidelity import row

COUNTS = (5, 1, 28, 6, 6, 6, 10, 14, 1, 1, 1, 1, 1, 7, 1, 5, 1, 1, 3, 12)


@row(
    "Izhikevich",
    reference="Izhikevich 2004, its script",
    check="spikes of the twenty patterns at the published step and order",
    unit="spikes",
    bound=0,
)
def twenty_patterns():
    error = 0
    for name, count in zip(IZHIKEVICH_PATTERNS, COUNTS, strict=True):
        p = izhikevich_pattern(name)
        n = len(p.current)
        current = np.pad(p.current, (0, 1601 - n))  # one length: compiled once
        error += abs(float(np.sum(snn.simulate(p.neuron, current, p.dt).ys[:n])) - count)
    return error


@row(
    "Izhikevich",
    reference="DOP853 with located spikes, rtol 1e-11",
    check="times of the first 5 spikes, regular spiking at 10, dt 0.001 ms",
    unit="ms",
    bound=0.1,
)
def spike_times():
    from scipy.integrate import solve_ivp

    def slopes(t, y):
        v, u = y
        return [0.04 * v**2 + 5 * v + 140 - u + 10, 0.02 * (0.2 * v - u)]

    peak = lambda t, y: y[0] - 30
    peak.terminal, peak.direction = True, 1
    t, y, times = 0.0, [-70.0, -14.0], []
    for _ in range(5):
        part = solve_ivp(
            slopes,
            (t, 1e3),
            y,
            "DOP853",
            rtol=1e-11,
            atol=1e-11,
            events=peak,
            dense_output=True,
        )
        t = part.t[-1]
        y = [-65.0, part.y[1, -1] + 8]
        times.append(t)
    sol = snn.simulate(Izhikevich(), 10.0, 0.001, duration=np.ceil(t + 1))
    found = sol.ts[np.flatnonzero(sol.ys)]
    return np.max(np.abs(found[:5] - times))
