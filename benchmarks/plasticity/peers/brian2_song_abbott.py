"""Song, Miller & Abbott 2000 in Brian2: its own example STDP, of one or more `--cells`.

`--alike` makes two things as they are in snnjax: the conductance of a step is its mean over
the step (the example's forward Euler takes that of its start, 1 % more), and a pair of spikes in
one step counts as nothing (in the example it potentiates).
"""

import math

import plastic_side
from brian2 import Hz, Network, NeuronGroup, PoissonGroup, SpikeMonitor, Synapses, ms, mV

asked = plastic_side.start(dt_ms=0.1, alike=False, cells=1)
share = 50 * -math.expm1(-0.1 / 5) if asked.alike else 1.0
cell = NeuronGroup(
    asked.cells,
    """dv/dt = (share * ge * (0*mV - v) - 74*mV - v) / (10*ms) : volt
    dge/dt = -ge / (5*ms) : 1""",
    threshold="v > -54*mV",
    reset="v = -60*mV",
    method="exponential_euler" if asked.alike else "euler",
    namespace={"share": share, "mV": mV, "ms": ms},
)
cell.v = -60 * mV
sources = PoissonGroup(1000, rates=15 * Hz)
on_pre, on_post = "ge += w; {} w = clip(w + y, 0, 0.01)", "{} w = clip(w + x, 0, 0.01)"
x, y = "x += 0.01 * 0.01", "y += -0.01 * 0.01 * 1.05"
if asked.alike:
    pathways = dict(
        on_pre={"pre": on_pre.format("").replace(";", "\n"), "pre_trace": x},
        on_post={"post": on_post.format(""), "post_trace": y},
    )
else:
    pathways = dict(
        on_pre=on_pre.format(x + ";").replace(";", "\n"),
        on_post=on_post.format(y + ";").replace(";", "\n"),
    )
S = Synapses(
    sources,
    cell,
    """w : 1
    dx/dt = -x / (20*ms) : 1 (event-driven)
    dy/dt = -y / (20*ms) : 1 (event-driven)""",
    **pathways,
    namespace={"ms": ms},
)
if asked.alike:
    S.pre_trace.order = S.post_trace.order = 2
S.connect()
S.w = "rand() * 0.01"
pre, post = SpikeMonitor(sources, record=False), SpikeMonitor(cell, record=False)
plastic_side.run(asked, Network(cell, sources, S, pre, post), pre, post, S)
