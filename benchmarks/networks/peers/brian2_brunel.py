"""Brunel 2000 in Brian2: sparse excitation and inhibition, delta or alpha synapses."""

import brian2_side
import numpy as np
import side
from brian2 import Hz, NeuronGroup, PoissonInput, Synapses, ms, mV

asked = brian2_side.start(0.1, g=5.0, eta=2.0, alpha=False)
jump, threshold_rate = side.brunel(asked.alpha)
if asked.alpha:
    port, unit = "y", mV / ms**2  # of a jump
    model = """dv/dt = -v / (20*ms) + x : volt (unless refractory)
    dx/dt = y - x / (0.5*ms) : volt/second
    dy/dt = -y / (0.5*ms) : volt/second**2"""
else:
    port, unit = "v", mV
    model = "dv/dt = -v / (20*ms) : volt (unless refractory)"
weights = {"w_exc": jump * unit, "w_inh": -asked.g * jump * unit}
P = NeuronGroup(12_500, model, threshold="v > 20*mV", reset="v = 10*mV",
                refractory=2 * ms, method="exact")  # fmt: skip
E, I = (
    Synapses(part, P, on_pre=f"{port} += {w}", delay=1.5 * ms, namespace=weights)
    for part, w in ((P[:10_000], "w_exc"), (P[10_000:], "w_inh"))
)
rng = np.random.default_rng(asked.seed)
for S, sources, degree in ((E, 10_000, 1000), (I, 2500, 250)):
    i, j = side.fixed_in_degree(rng, sources, 12_500, degree)
    S.connect(i=i, j=j)
# Binomial of 100,000 inputs, which is next to the Poisson process that the paper has.
rate = asked.eta * threshold_rate * 1000 / 100_000 * Hz
drive = PoissonInput(P, port, N=100_000, rate=rate, weight=jump * unit)
brian2_side.run(asked, P, {"exc": 10_000, "inh": 2500}, E, I, drive)
