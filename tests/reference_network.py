"""A network in NumPy, written from the equations: dense matrices and a list of arrivals."""

import numpy as np


class Cells:
    """LIF neurons; `receptors` by name: ("exp", "delta" or "pulse", tau_syn, e_rev)."""

    def __init__(self, n, receptors, *, tau_m=10.0, t_ref=8, current=0.0):
        self.n, self.receptors, self.current = n, receptors, np.broadcast_to(current, n)
        self.tau_m, self.g_l, self.e_l, self.level, self.v_reset = (
            tau_m,
            10.0,
            -75.0,
            -55.0,
            -75.0,
        )
        self.t_ref = t_ref  # steps
        self.v, self.wait = np.full(n, self.e_l), np.zeros(n, int)
        self.s = {name: np.zeros(n) for name in receptors}

    def step(self, dt):
        """Spikes of a step; `s` holds what arrived, and is advanced."""
        free, v, held, g = self.wait == 0, self.v, self.current + 0.0, np.zeros(self.n)
        extra, driven = 0.0, 0.0
        for name, (kind, tau, e_rev) in self.receptors.items():
            s = self.s[name]
            if kind == "delta":
                v = np.where(free, v + s, v)
            elif kind == "pulse":
                held = held + s
            elif e_rev is not None:
                mean = s * tau / dt * (1 - np.exp(-dt / tau))
                g, driven = g + mean, driven + mean * e_rev
            else:
                shape = np.exp(-dt / self.tau_m) - np.exp(-dt / tau)
                extra = extra + s / self.g_l * tau / (self.tau_m - tau) * shape
        total = self.g_l + g
        v_inf = (self.g_l * self.e_l + driven + held) / total
        reached = v_inf + (v - v_inf) * np.exp(-dt * total / self.g_l / self.tau_m) + extra
        v = np.where(free, reached, v)
        fired = free & (v >= self.level)
        self.v = np.where(fired, self.v_reset, v)
        self.wait = np.where(fired, self.t_ref, np.maximum(self.wait - 1, 0))
        for name, (kind, tau, _) in self.receptors.items():
            self.s[name] = (
                0 * self.s[name] if kind != "exp" else self.s[name] * np.exp(-dt / tau)
            )
        return fired


def run(populations, projections, n_steps, dt, amount=None):
    """(spikes by population, receptors as recorded, potentials), each [time, neurons].

    `projections`: (source, first of its neurons, target, receptor, pre, post, weight, steps).
    `amount`: by number of a projection, a function of the spikes of its sources.
    """
    arrivals, spikes, received, potentials = {}, [], [], []
    for i in range(n_steps):
        fired = {name: p.step(dt) for name, p in populations.items()}
        for k, (source, first, target, receptor, pre, post, weight, delay) in enumerate(
            projections
        ):
            sent = fired[source].astype(float)
            if amount and k in amount:
                sent = amount[k](sent, populations[source].v)
            for s in range(len(pre)):
                if sent[first + pre[s]]:
                    due = arrivals.setdefault(i + delay[s], {})
                    to = due.setdefault((target, receptor), np.zeros(populations[target].n))
                    to[post[s]] += sent[first + pre[s]] * weight[s]
        for (target, receptor), w in arrivals.pop(i + 1, {}).items():
            populations[target].s[receptor] = populations[target].s[receptor] + w
        spikes.append(fired)
        received.append({name: dict(p.s) for name, p in populations.items()})
        potentials.append({name: p.v for name, p in populations.items()})
    of = lambda rows, *path: np.array([_get(row, path) for row in rows])
    names = list(populations)
    return (
        {n: of(spikes, n) for n in names},
        {n: {r: of(received, n, r) for r in populations[n].receptors} for n in names},
        {n: of(potentials, n) for n in names},
    )


def _get(row, path):
    for name in path:
        row = row[name]
    return row
