"""Bifurcations and thresholds found by the analysis room."""

import numpy as np
from scipy.optimize import brentq

import snnjax as snn
from snnjax.analysis import fixed_points, rheobase
from tests.fidelity import row


def hopf(model, low, high, v):
    growth = lambda i: max(fixed_points(model, i, v=v)[0].eigenvalues.real)
    return brentq(growth, low, high, xtol=1e-8)


@row(
    "FitzHughNagumo",
    reference="closed form",
    check="currents of both Hopf bifurcations, classic form",
    bound=1e-6,
)
def fitzhugh_nagumo_hopf():
    model = snn.FitzHughNagumo.classic()
    v = np.sqrt(1 - 0.08 * 0.8) * np.array([-1, 1])
    exact = (v + 0.7) / 0.8 - v + v**3 / 3
    found = hopf(model, 0.2, 0.5, (-3, 3)), hopf(model, 1.2, 1.6, (-3, 3))
    return np.abs(np.array(found) - exact).max()


@row(
    "Izhikevich",
    reference="closed form",
    check="v at rest and at threshold without current",
    unit="mV",
    bound=1e-9,
)
def izhikevich_equilibria():
    points = fixed_points(snn.Izhikevich(), v=(-100.0, 40.0))
    return np.abs(np.array([p.values["v"] for p in points]) - [-70.0, -50.0]).max()


@row(
    "LIF",
    reference="closed form",
    check="rheobase of a pulse of 1 ms",
    unit="pA",
    bound=0.02,
)
def lif_rheobase():
    found = rheobase(snn.LIF(), (100.0, 4000.0), 0.1, 10.0, width=1.0, tolerance=0.01)
    return np.abs(found - 200.0 / -np.expm1(-0.1))
