"""COBA in Brian2, driven by E_L = -49 mV; conductances are relative to the leak."""

import brian2_side
import numpy as np
import side
from brian2 import NeuronGroup, Synapses, ms

asked = brian2_side.start(0.1, n=4000)
n_exc = asked.n * 4 // 5
model = """
dv/dt = (ge*(0*mV - v) + gi*(-80*mV - v) - (v + 49*mV)) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : 1
dgi/dt = -gi / (10*ms) : 1"""
P = NeuronGroup(asked.n, model, threshold="v > -50*mV", reset="v = -60*mV",
                refractory=5 * ms, method="exponential_euler")  # fmt: skip
P.v = "-60*mV + 10*mV * rand()"
P.ge = "clip(4 + 1.5 * randn(), 0, 20)"
P.gi = "clip(20 + 12 * randn(), 0, 100)"
E = Synapses(P[:n_exc], P, on_pre="ge += 0.6")
I = Synapses(P[n_exc:], P, on_pre="gi += 6.7")
rng = np.random.default_rng(asked.seed)
for S, sources, degree in ((E, n_exc, 64), (I, asked.n - n_exc, 16)):
    if asked.n == 4000:
        S.connect(p=0.02)
    else:
        i, j = side.fixed_in_degree(rng, sources, asked.n, degree)
        S.connect(i=i, j=j)
brian2_side.run(asked, P, {"exc": n_exc, "inh": asked.n - n_exc}, E, I)
