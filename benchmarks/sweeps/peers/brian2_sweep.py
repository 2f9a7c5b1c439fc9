"""Cells without synapses in Brian2: 10,000 Hodgkin-Huxley or 100,000 LIF, counts out.

C++ standalone with OpenMP. The last line is JSON: seconds of the run, counts of spikes.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import brian2 as b2
import numpy as np

BUILDS = Path(__file__).parents[3] / ".peers" / "brian2-builds"
EQUATIONS = {
    "hh": """
dv/dt = (I - 120*m**3*h*(v - 50) - 36*n**4*(v + 77) - 0.3*(v + 54.387)) / ms : 1
dm/dt = (0.1*10*1/exprel(-(v + 40)/10) * (1 - m) - 4*exp(-(v + 65)/18) * m) / ms : 1
dh/dt = (0.07*exp(-(v + 65)/20) * (1 - h) - 1/(1 + exp(-(v + 35)/10)) * h) / ms : 1
dn/dt = (0.01*10*1/exprel(-(v + 55)/10) * (1 - n) - 0.125*exp(-(v + 65)/80) * n) / ms : 1
I : 1 (constant)""",
    "lif": """
dv/dt = (-75 - v + I/10) / (10*ms) : 1 (unless refractory)
I : 1 (constant)""",
}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("model", choices=EQUATIONS)
parser.add_argument("--n", type=int, required=True)
parser.add_argument("--duration", type=float, required=True, help="ms")
parser.add_argument("--dt", type=float, required=True, help="ms")
parser.add_argument("--highest", type=float, required=True, help="current of the last cell")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--float32", action="store_true")
asked = parser.parse_args()
name = f"sweep-{asked.model}-{asked.n}-{asked.threads}-{asked.float32}"
b2.set_device("cpp_standalone", directory=str(BUILDS / name), build_on_run=False)
b2.prefs.devices.cpp_standalone.openmp_threads = asked.threads
if asked.float32:
    b2.prefs.core.default_float_dtype = np.float32
b2.defaultclock.dt = asked.dt * b2.ms
settings = dict(
    hh=dict(threshold="v > 20", refractory="v > 20", method="exponential_euler"),
    lif=dict(threshold="v > -55", reset="v = -75", refractory=2.1 * b2.ms, method="exact"),
)[asked.model]
cells = b2.NeuronGroup(asked.n, EQUATIONS[asked.model], **settings)
cells.v = dict(hh=-65.0, lif=-75.0)[asked.model]
if asked.model == "hh":
    cells.m, cells.h, cells.n = 0.05293, 0.59612, 0.31768
cells.I = np.linspace(0, asked.highest, asked.n)
spikes = b2.SpikeMonitor(cells, record=False)
network = b2.Network(cells, spikes)
network.run(asked.duration * b2.ms)
b2.device.build(directory=str(BUILDS / name), compile=True, run=False)
start = time.perf_counter()
b2.device.run(directory=str(BUILDS / name), with_output=False, run_args=[])
whole = time.perf_counter() - start
told = dict(
    run_s=b2.device._last_run_time, process_s=whole, spikes=int(np.sum(spikes.count[:])),
    quarter=int(np.asarray(spikes.count[:])[asked.n // 4]),
    versions=f"brian2 {b2.__version__}, numpy {np.__version__}, Python {platform.python_version()}",
)  # fmt: skip
print(json.dumps(told))
