"""Izhikevich 2003 in Brian2; 1000 neurons all-to-all, or any number at in-degree 100."""

import brian2_side
import numpy as np
import side
from brian2 import NeuronGroup, Synapses, ms

asked = brian2_side.start(1.0, n=1000, sparse=False)
n_exc = asked.n * 4 // 5
model = """v : 1
u : 1
I : 1
a : 1
b : 1
c : 1
d : 1
sigma : 1"""
P = NeuronGroup(asked.n, model, threshold="v >= 30", reset="v = c; u += d")
# The published step: two half steps of v, then u; I is what arrived since the last one.
P.run_regularly(
    """I += sigma * randn()
    v += 0.5 * (0.04 * v**2 + 5 * v + 140 - u + I)
    v += 0.5 * (0.04 * v**2 + 5 * v + 140 - u + I)
    u += a * (b * v - u)
    I = 0""",
    dt=1 * ms,
    when="groups",
)
rng = np.random.default_rng(asked.seed)
r, exc = rng.random(asked.n), np.arange(asked.n) < n_exc
P.a, P.b = np.where(exc, 0.02, 0.02 + 0.08 * r), np.where(exc, 0.2, 0.25 - 0.05 * r)
P.c, P.d = np.where(exc, -65 + 15 * r**2, -65), np.where(exc, 8 - 6 * r**2, 2)
P.sigma, P.v, P.u = np.where(exc, 5, 2), -65, -65 * P.b
S = Synapses(P, P, "w : 1", on_pre="I += w")
if asked.sparse:
    exc_in = side.fixed_in_degree(rng, n_exc, asked.n, 80)
    inh_in = side.fixed_in_degree(rng, asked.n - n_exc, asked.n, 20)
    S.connect(i=np.append(exc_in[0], inh_in[0] + n_exc), j=np.append(exc_in[1], inh_in[1]))
else:
    S.connect()
S.w = f"{4 if asked.sparse else 1} * (1.5 * int(i < n_exc) - 1) * rand()"  # 0.5 and -1
brian2_side.run(asked, P, {"exc": n_exc, "inh": asked.n - n_exc}, S)
