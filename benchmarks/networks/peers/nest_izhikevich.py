"""Izhikevich 2003 in NEST; 1000 neurons all-to-all, or any number at in-degree 100."""

import nest
import nest_side
import numpy as np

asked = nest_side.start(1.0, n=1000, sparse=False)
n_exc = asked.n * 4 // 5
r, exc = np.random.default_rng(asked.seed).random(asked.n), np.arange(asked.n) < n_exc
cells = nest.Create(
    "izhikevich", asked.n, {"consistent_integration": False}
)  # as published
cells.a, cells.b = np.where(exc, 0.02, 0.02 + 0.08 * r), np.where(exc, 0.2, 0.25 - 0.05 * r)
cells.c, cells.d = np.where(exc, -65 + 15 * r**2, -65), np.where(exc, 8 - 6 * r**2, 2)
cells.V_m, cells.U_m = -65.0, -65.0 * np.array(cells.b)
parts = {"exc": cells[:n_exc], "inh": cells[n_exc:]}
for part, sigma, weight, degree in (("exc", 5.0, 0.5, 80), ("inh", 2.0, -1.0, 20)):
    noise = nest.Create("noise_generator", params={"std": sigma, "dt": 1.0})
    nest_side.connect(noise, parts[part], {"rule": "all_to_all"}, 1.0, 1.0)
    rule = (
        {"rule": "fixed_indegree", "indegree": degree}
        if asked.sparse
        else {"rule": "all_to_all"}
    )
    scale = 4 * weight if asked.sparse else weight
    drawn = nest.random.uniform(min(scale, 0.0), max(scale, 0.0))
    nest_side.connect(parts[part], cells, rule, drawn, 1.0)
nest_side.run(asked, parts)
