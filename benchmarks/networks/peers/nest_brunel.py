"""Brunel 2000 in NEST: sparse excitation and inhibition, delta or alpha synapses."""

import nest
import nest_side
import numpy as np
import side

asked = nest_side.start(0.1, g=5.0, eta=2.0, alpha=False)
jump, threshold_rate = side.brunel(asked.alpha)
cell = dict(C_m=1.0, tau_m=20.0, E_L=0.0, V_th=20.0, V_reset=10.0, V_m=0.0, t_ref=2.0)
if asked.alpha:
    model, cell = "iaf_psc_alpha", {**cell, "tau_syn_ex": 0.5, "tau_syn_in": 0.5}
    weight = jump * 0.5 / np.e  # pA at the peak of the current
else:
    model, weight = "iaf_psc_delta", jump
cells = nest.Create(model, 12_500, cell)
drive = nest.Create("poisson_generator", params={"rate": asked.eta * threshold_rate * 1000})
nest_side.connect(drive, cells, {"rule": "all_to_all"}, weight, 1.5)
exc, inh = cells[:10_000], cells[10_000:]
for part, w, degree in ((exc, weight, 1000), (inh, -asked.g * weight, 250)):
    rule = {"rule": "fixed_indegree", "indegree": degree}
    nest_side.connect(part, cells, rule, w, 1.5)
nest_side.run(asked, {"exc": exc, "inh": inh})
