"""Conductance-based and smooth reduced neurons, written a second time in plain Python.

Nothing here is shared with the library. `solve` integrates at rtol 1e-10 with SciPy.
"""

import math

import numpy as np
from scipy.integrate import solve_ivp


def _ratio(x):
    """x / (exp(x) - 1)."""
    return 1 - x / 2 + x * x / 12 if abs(x) < 1e-4 else x / math.expm1(x)


def squid_rates(u):
    """((alpha, beta) of m, h, n) at u mV above rest; Hodgkin & Huxley 1952."""
    e = math.exp
    return (
        (_ratio((25 - u) / 10), 4 * e(-u / 18)),
        (0.07 * e(-u / 20), 1 / (e((30 - u) / 10) + 1)),
        (0.1 * _ratio((10 - u) / 10), 0.125 * e(-u / 80)),
    )


def traub_miles_rates(u):
    e = math.exp
    return (
        (0.32 * 4 * _ratio((13 - u) / 4), 0.28 * 5 * _ratio((u - 40) / 5)),
        (0.128 * e((17 - u) / 18), 4 / (1 + e((40 - u) / 5))),
        (0.032 * 5 * _ratio((15 - u) / 5), 0.5 * e((10 - u) / 40)),
    )


def squid(g_na=120, g_k=36, g_l=0.3, e_na=50, e_k=-77, e_l=-54.387, c=1, phi=1, v_rest=-65,
          rates=squid_rates):  # fmt: skip
    """dy/dt of y = (v, m, h, n) as a function of (y, current)."""

    def field(y, current):
        v, m, h, n = y
        (am, bm), (ah, bh), (an, bn) = rates(v - v_rest)
        i_na, i_k = g_na * m**3 * h * (v - e_na), g_k * n**4 * (v - e_k)
        return (
            (current - i_na - i_k - g_l * (v - e_l)) / c,
            phi * (am * (1 - m) - bm * m),
            phi * (ah * (1 - h) - bh * h),
            phi * (an * (1 - n) - bn * n),
        )

    return field


def wang_buzsaki(y, current):
    v, h, n = y
    e = math.exp
    am, bm = _ratio(-0.1 * (v + 35)), 4 * e(-(v + 60) / 18)
    ah, bh = 0.07 * e(-(v + 58) / 20), 1 / (1 + e(-0.1 * (v + 28)))
    an, bn = 0.1 * _ratio(-0.1 * (v + 34)), 0.125 * e(-(v + 44) / 80)
    m = am / (am + bm)
    ions = 35 * m**3 * h * (v - 55) + 9 * n**4 * (v + 90) + 0.1 * (v + 65)
    return current - ions, 5 * (ah * (1 - h) - bh * h), 5 * (an * (1 - n) - bn * n)


def reduced_squid(y, current):
    v, n = y
    (am, bm), _, (an, bn) = squid_rates(v + 65)
    m = am / (am + bm)
    i_na = 120 * m**3 * (0.8 - n) * (v - 50)
    ions = i_na + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
    return current - ions, an * (1 - n) - bn * n


def morris_lecar(y, current, g_ca=4, e=(-50, 100, -70), v14=(0, 15, 10, 10), rate=0.1):
    v, n = y
    (e_l, e_ca, e_k), (v1, v2, v3, v4) = e, v14
    m = (1 + math.tanh((v - v1) / v2)) / 2
    ions = 2 * (v - e_l) + g_ca * m * (v - e_ca) + 8 * n * (v - e_k)
    n_inf = (1 + math.tanh((v - v3) / v4)) / 2
    return (current - ions) / 20, rate * math.cosh((v - v3) / 2 / v4) * (n_inf - n)


def fitzhugh_nagumo(y, current):
    v, w = y
    return v * (v - 0.1) * (1 - v) - w + current, 0.01 * (v - 0.5 * w)


def classic_fitzhugh_nagumo(y, current):
    v, w = y
    return v - v**3 / 3 - w + current, 0.08 * (v + 0.7 - 0.8 * w)


def hindmarsh_rose(y, current, eps=0.005):
    v, u, w = y
    return u - v**3 + 3 * v**2 - w + current, 1 - 5 * v**2 - u, eps * (4 * (v + 1.6) - w)


def solve(field, start, pieces, every):
    """(t, y[t, k]) each `every`, under (duration, current) after (duration, current)."""
    y, begin, ts, ys = np.array(start, float), 0.0, [0.0], [np.array(start, float)]
    for duration, current in pieces:
        n = round(duration / every)
        at = np.minimum(np.arange(1, n + 1) * every, duration)
        sol = solve_ivp(lambda t, y, i=current: field(y, i), (0, duration), y, "DOP853", at,
                        rtol=1e-10, atol=1e-12)  # fmt: skip
        ts.extend(begin + at)
        ys.extend(sol.y.T)
        y, begin = sol.y[:, -1], begin + duration
    return np.array(ts), np.array(ys)


def crossings(t, v, level):
    """Times at which v rises through `level`, by the line between two samples."""
    j = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return t[j] + (level - v[j]) / (v[j + 1] - v[j]) * (t[j + 1] - t[j])
