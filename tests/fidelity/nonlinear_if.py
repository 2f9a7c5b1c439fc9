"""Nonlinear and planar integrate-and-fire neurons."""

import numpy as np

import snnjax as snn
from snnjax.neurons import (
    ADEX_CURRENTS,
    AdEx,
    ExponentialIF,
    McKean,
    PiecewiseLinearIF,
    QuadraticIF,
    ResonateAndFire,
)
from tests.fidelity import row


@row(
    "QuadraticIF",
    reference="closed form",
    check="period pi tau / sqrt(I) of the normal form at I = 1, in steps of tau / 1000",
    unit="tau",
    bound=1e-3,
)
def period():
    sol = snn.simulate(QuadraticIF.normal_form(v_peak=1e6), 1.0, 1e-3, n_steps=20_000)
    isi = np.diff(np.flatnonzero(sol.ys)) * 1e-3
    return np.max(np.abs(isi - np.pi))


@row(
    "ExponentialIF",
    reference="quadrature of 1 / slope",
    check="interspike interval at 100 pA, dt 0.01 ms",
    unit="ms",
    bound=0.021,
)
def exponential_interval():
    from scipy.integrate import quad

    slope = lambda v: (-(v + 65) + 3.48 * np.exp((v + 59.9) / 3.48) + 10.0) / 10
    theory = 1.7 + quad(lambda v: 1 / slope(v), -68.0, -30.0, limit=200)[0]
    sol = snn.simulate(ExponentialIF(), 100.0, 0.01, duration=200.0)
    return np.max(np.abs(np.diff(np.flatnonzero(sol.ys)) * 0.01 - theory))


@row(
    "AdEx",
    reference="Naud et al. 2008",
    check="spikes of seven patterns in 600 ms, Heun, dt 0.01 ms",
    unit="spikes",
    bound=0,
)
def patterns():
    counts = dict(
        tonic=62,
        adaptation=12,
        initial_burst=12,
        regular_bursting=11,
        delayed_accelerating=46,
        delayed_regular_bursting=32,
        transient=1,
    )
    error = 0
    for name, count in counts.items():
        current = np.full(60_000, ADEX_CURRENTS[name])
        sol = snn.simulate(getattr(AdEx, name)(), current, 0.01, record=snn.SpikeCount())
        error += abs(float(sol.ys) - count)
    return error


@row(
    "ResonateAndFire",
    reference="closed form",
    check="u and v under constant current for 20 ms in steps of 0.5 ms",
    bound=1e-12,
)
def focus():
    neuron = ResonateAndFire(threshold=snn.Threshold(10.0))
    sol = snn.simulate(neuron, 0.3, 0.5, duration=20.0, record=snn.Trace("u", "v"))
    rate = -0.1 + 1j
    z = 0.3 * (np.exp(rate * sol.ts) - 1) / rate
    return np.max(np.abs(sol.ys["u"] + 1j * sol.ys["v"] - z))


@row(
    "McKean",
    reference="the closed form in steps a hundred times shorter",
    check="v over 200 in steps of 2, through 5 passages of all pieces",
    bound=1e-11,
)
def pieces():
    fine, coarse = (
        snn.simulate(
            McKean(eps=0.05), 0.5, dt, duration=200.0, record=snn.Trace("v", every=k)
        )
        for dt, k in ((0.02, 100), (2.0, 1))
    )
    return np.max(np.abs(fine.ys - coarse.ys))


@row(
    "PiecewiseLinearIF",
    reference="DOP853 with located corners and spikes, rtol 1e-11",
    check="times of the first 6 spikes at a current of 5, dt 0.001 ms",
    unit="ms",
    bound=0.006,
)
def burst():
    from scipy.integrate import solve_ivp

    slopes = lambda t, y: [y[0] - y[1] + 5, (1.2 * y[0] - y[1]) / 75]  # v stays above 0
    peak = lambda t, y: y[0] - 60
    peak.terminal, peak.direction = True, 1
    t, y, times = 0.0, [0.0, 0.0], []
    for _ in range(6):
        part = solve_ivp(
            slopes, (t, 50.0), y, "DOP853", rtol=1e-11, atol=1e-11, events=peak
        )
        t, y = part.t[-1], [20.0, part.y[1, -1] + 4]
        times.append(t)
    sol = snn.simulate(PiecewiseLinearIF(), 5.0, 0.001, duration=np.ceil(t + 1))
    return np.max(np.abs(sol.ts[np.flatnonzero(sol.ys)][:6] - times))
