"""1000 Poisson sources onto 100 LIF cells in Brian2, all to all, with pair STDP."""

import plastic_side
from brian2 import Hz, Network, NeuronGroup, PoissonGroup, SpikeMonitor, Synapses, ms, mV

asked = plastic_side.start(dt_ms=0.1)
cells = NeuronGroup(
    100,
    """dv/dt = (ge * (0*mV - v) - 74*mV - v) / (10*ms) : volt
    dge/dt = -ge / (5*ms) : 1""",
    threshold="v > -54*mV",
    reset="v = -60*mV",
    method="euler",
    namespace={"mV": mV, "ms": ms},
)
cells.v = "-60*mV + 6*mV * rand()"
sources = PoissonGroup(1000, rates=15 * Hz)
S = Synapses(
    sources,
    cells,
    """w : 1
    dx/dt = -x / (20*ms) : 1 (event-driven)
    dy/dt = -y / (20*ms) : 1 (event-driven)""",
    on_pre="ge += w\nx += 0.01 * 0.01\nw = clip(w + y, 0, 0.01)",
    on_post="y += -0.01 * 0.01 * 1.05\nw = clip(w + x, 0, 0.01)",
    namespace={"ms": ms},
)
S.connect()
S.w = "rand() * 0.01"
pre, post = SpikeMonitor(sources, record=False), SpikeMonitor(cells, record=False)
plastic_side.run(asked, Network(cells, sources, S, pre, post), pre, post, S)
