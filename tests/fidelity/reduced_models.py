"""The smooth reduced models: Morris-Lecar, FitzHugh-Nagumo, Hindmarsh-Rose, reduced HH."""

import numpy as np

import snnjax as snn
from tests import reference_neurons as reference
from tests.fidelity import row

DOP853 = "SciPy DOP853, rtol 1e-10"


def _error(model, field, current, duration, dt):
    """Largest error of v over a run, in the unit of v."""
    start = [float(x) for x in model.init()]
    _, y = reference.solve(field, start, ((duration, current),), dt)
    sol = snn.simulate(model, current, dt, duration=duration, record=snn.Trace("v"))
    return np.max(np.abs(sol.ys - y[1:, 0]))


@row(
    "ReducedHodgkinHuxley",
    reference=DOP853,
    check="v of two spikes under 10 uA/cm2, RK4 with dt 0.0025 ms",
    unit="mV",
    bound=0.02,
)
def reduced_hodgkin_huxley():
    cell = snn.ReducedHodgkinHuxley(integrator=snn.RK4())
    return _error(cell, reference.reduced_squid, 10.0, 15.0, 0.0025)


@row(
    "MorrisLecar",
    reference=DOP853,
    check="v over 150 ms at 40 uA/cm2, RK4 with dt 0.05 ms",
    unit="mV",
    bound=1e-3,
)
def morris_lecar():
    return _error(snn.MorrisLecar(), reference.morris_lecar, 40.0, 150.0, 0.05)


@row(
    "FitzHughNagumo",
    reference=DOP853,
    check="v over two cycles at I = 0.5, RK4 with dt 0.05",
    bound=1e-6,
)
def fitzhugh_nagumo():
    return _error(snn.FitzHughNagumo(), reference.fitzhugh_nagumo, 0.5, 200.0, 0.05)


@row(
    "FitzHughNagumo.classic",
    reference=DOP853,
    check="v over two cycles at I = 0.5, RK4 with dt 0.02",
    bound=1e-6,
)
def classic_fitzhugh_nagumo():
    field = reference.classic_fitzhugh_nagumo
    return _error(snn.FitzHughNagumo.classic(), field, 0.5, 80.0, 0.02)


@row(
    "HindmarshRose",
    reference=DOP853,
    check="v over 50 time units of tonic firing at I = 4, RK4 with dt 0.02",
    bound=1e-3,
)
def hindmarsh_rose():
    return _error(snn.HindmarshRose(), reference.hindmarsh_rose, 4.0, 50.0, 0.02)
