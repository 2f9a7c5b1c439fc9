"""COBAHH in NEST: adaptive integration; a spike is a maximum above V_T + 30 mV = -33 mV."""

import nest
import nest_side
import numpy as np

asked = nest_side.start(0.1)
cell = dict(C_m=200.0, g_L=10.0, E_L=-60.0, g_Na=20_000.0, E_Na=50.0, g_K=6000.0, E_K=-90.0,
            V_T=-63.0, t_ref=3.0, tau_syn_ex=5.0, tau_syn_in=10.0, E_ex=0.0, E_in=-80.0,
            Act_m=0.0, Inact_h=0.0, Act_n=0.0)  # fmt: skip
rng = np.random.default_rng(asked.seed)
cells = nest.Create("hh_cond_exp_traub", 4000, cell)
cells.V_m = rng.normal(-65, 5, 4000)
# The conductances at the start cannot be set: one spike brings them.
once = nest.Create("spike_generator", params={"spike_times": [0.1]})
for mean, std, scale in ((4, 1.5, 10.0), (20, 12, -10.0)):
    g = scale * np.maximum(rng.normal(mean, std, (4000, 1)), 0)
    nest_side.connect(once, cells, {"rule": "all_to_all"}, g, 0.1)
nest_side.balanced(asked, cells, 6.0, -67.0)
nest_side.run(asked, {"exc": cells[:3200], "inh": cells[3200:]})
