"""COBA in NEST, driven by E_L = -49 mV; adaptive integration between steps."""

import nest
import nest_side
import numpy as np

asked = nest_side.start(0.1, n=4000)
cell = dict(C_m=20.0, g_L=1.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0,
            tau_syn_ex=5.0, tau_syn_in=10.0, E_ex=0.0, E_in=-80.0)  # fmt: skip
rng = np.random.default_rng(asked.seed)
cells = nest.Create("iaf_cond_exp", asked.n, cell)
cells.V_m = rng.uniform(-60, -50, asked.n)
cells.g_ex = np.clip(rng.normal(4, 1.5, asked.n), 0, 20)
cells.g_in = np.clip(rng.normal(20, 12, asked.n), 0, 100)
nest_side.balanced(asked, cells, 0.6, -6.7)
nest_side.run(asked, {"exc": cells[: asked.n * 4 // 5], "inh": cells[asked.n * 4 // 5 :]})
