"""CUBA in NEST: 4000 neurons at p 0.02, or any number at in-degree 64 + 16."""

import nest
import nest_side

asked = nest_side.start(0.1, n=4000, delays=False)
# C_m / tau_m = 1 nS makes 1 pA of current the 1 mV that it would settle at.
cell = dict(C_m=20.0, tau_m=20.0, E_L=-49.0, V_th=-50.0, V_reset=-60.0, t_ref=5.0,
            tau_syn_ex=5.0, tau_syn_in=10.0)  # fmt: skip
cells = nest.Create("iaf_psc_exp", asked.n, cell)
cells.V_m = nest.random.uniform(-60.0, -50.0)
delay = 0.1 * (1 + nest.random.uniform_int(20)) if asked.delays else 0.1
nest_side.balanced(asked, cells, 1.62, -9.0, delay)
nest_side.run(asked, {"exc": cells[: asked.n * 4 // 5], "inh": cells[asked.n * 4 // 5 :]})
