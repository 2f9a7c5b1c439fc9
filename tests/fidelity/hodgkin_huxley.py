"""Hodgkin-Huxley neuron."""

import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from tests.fidelity import row
from tests.reference_neurons import crossings, solve, squid, squid_rates, wang_buzsaki

PULSE = ((1.0, 0.0), (5.0, 10.0), (6.0, 0.0))  # (ms, uA/cm2) after one another


def _run(model, pieces, dt):
    """(t, v) of `model` from its own start, both with the start."""
    current = np.concatenate([np.full(round(d / dt), i) for d, i in pieces])
    v = np.asarray(snn.simulate(model, current, dt, record=snn.Trace("v")).ys)
    return np.arange(len(v) + 1) * dt, np.concatenate([[model.init().v], v])


def _reference(model, field, pieces, every):
    start = [float(x) for x in model.init() if x is not None]
    t, y = solve(field, start, pieces, every)
    return t, y[:, 0]


@row(
    "HodgkinHuxley",
    reference="SciPy DOP853, rtol 1e-10",
    check="v of a spike, 10 uA/cm2 for 5 ms, RK4 with dt 0.01 ms",
    unit="mV",
    bound=1e-3,
)
def spike_by_rk4():
    hh = snn.HodgkinHuxley(integrator=snn.RK4())
    _, v = _run(hh, PULSE, 0.01)
    return np.max(np.abs(v - _reference(hh, squid(), PULSE, 0.01)[1]))


@row(
    "HodgkinHuxley",
    reference="SciPy DOP853, rtol 1e-10",
    check="time of that spike, ExponentialEuler (the default) with dt 0.01 ms",
    unit="ms",
    bound=0.05,
)
def spike_time_by_exponential_euler():
    hh = snn.HodgkinHuxley()
    ours = crossings(*_run(hh, PULSE, 0.01), 20.0)
    theirs = crossings(*_reference(hh, squid(), PULSE, 0.01), 20.0)
    return np.abs(ours[0] - theirs[0]) if len(ours) == len(theirs) == 1 else np.nan


@row(
    "HodgkinHuxley",
    reference="a plain Python loop",
    check="v of Euler's scheme with gates first, then v from them; 20 ms",
    unit="mV",
    bound=1e-8,
)
def sequential_euler_loop():
    dt, y, v = 0.01, [-60.0, 0.05, 0.6, 0.32], []
    field = squid()
    for _ in range(2000):
        for k in (1, 2, 3, 0):
            y[k] += dt * field(y, 10.0)[k]
        v.append(y[0])
    gates = {"m": 0.05, "h": 0.6, "n": 0.32}
    order = snn.SequentialEuler(("m", "h", "n", "v"))
    hh = snn.HodgkinHuxley(v_init=-60.0, gates_init=gates, integrator=order)
    return np.max(np.abs(_run(hh, ((20.0, 10.0),), dt)[1][1:] - v))


@row(
    "HodgkinHuxley",
    reference="its formulas, by expm1 and series",
    check="steady states at 0 and either side of each rate's 0/0",
    bound=1e-12,
)
def steady_states():
    hh, error = snn.HodgkinHuxley.rest_zero(), 0.0
    for v in (0.0, 10.0, 25.0, 10 - 1e-9, 10 + 1e-3, 25 + 1e-6, 25 - 1e-2, -60.0, 80.0):
        ours = hh.steady_states(jnp.asarray(v))
        for x, (alpha, beta) in zip("mhn", squid_rates(v), strict=True):
            error = max(error, abs(float(ours[x]) - alpha / (alpha + beta)))
    return error


@row(
    "HodgkinHuxley",
    reference="SciPy DOP853, rtol 1e-10",
    check="v of a Wang-Buzsaki cell, 2 uA/cm2 for 12 ms, RK4 with dt 0.01 ms",
    unit="mV",
    bound=5e-3,
)
def wang_buzsaki_cell():
    cell, pieces = snn.HodgkinHuxley.wang_buzsaki(integrator=snn.RK4()), ((12.0, 2.0),)
    _, v = _run(cell, pieces, 0.01)
    return np.max(np.abs(v - _reference(cell, wang_buzsaki, pieces, 0.01)[1]))


@row(
    "HodgkinHuxley",
    reference="binomial variance x(1 - x)/N",
    check="gates of 2000 clamped patches of 100 um2, relative (3 standard errors: 0.1)",
    bound=0.15,
)
def channel_noise():
    hh = snn.HodgkinHuxley(v_init=0.0, c=1e9, area=100.0)
    sol = snn.simulate(
        hh, 0.0, 0.004, n_steps=2000, record=snn.Trace("v"), shape=(2000,),
        key=jax.random.key(1),
    )  # fmt: skip
    final, mean = sol.final, hh.steady_states(jnp.asarray(0.0))
    count = {"m": 6000.0, "h": 6000.0, "n": 1800.0}
    ratio = [
        np.var(getattr(final, x)) * count[x] / (mean[x] * (1 - mean[x])) for x in count
    ]
    return np.max(np.abs(np.array(ratio) - 1))
