"""CUBA in Brian2: 4000 neurons at p 0.02, or any number at in-degree 64 + 16."""

import brian2_side
import numpy as np
import side
from brian2 import NeuronGroup, Synapses, ms

asked = brian2_side.start(0.1, n=4000, delays=False)
n_exc = asked.n * 4 // 5
model = """dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : volt
dgi/dt = -gi / (10*ms) : volt"""
P = NeuronGroup(asked.n, model, threshold="v > -50*mV", reset="v = -60*mV",
                refractory=5 * ms, method="exact")  # fmt: skip
P.v = "-60*mV + 10*mV * rand()"
E = Synapses(P[:n_exc], P, on_pre="ge += 1.62*mV")
I = Synapses(P[n_exc:], P, on_pre="gi -= 9*mV")
rng = np.random.default_rng(asked.seed)
for S, sources, degree in ((E, n_exc, 64), (I, asked.n - n_exc, 16)):
    if asked.n == 4000:
        S.connect(p=0.02)
    else:
        i, j = side.fixed_in_degree(rng, sources, asked.n, degree)
        S.connect(i=i, j=j)
    if asked.delays:
        S.delay = "(1 + int(20 * rand())) * 0.1*ms"
brian2_side.run(asked, P, {"exc": n_exc, "inh": asked.n - n_exc}, E, I)
