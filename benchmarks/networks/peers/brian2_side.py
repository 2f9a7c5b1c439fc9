"""What the Brian2 scripts share: C++ standalone, a monitor of spikes, the answer.

A spike with delay d acts from the end of the step d after its own, and so does NEST's; "no
delay" acts from the step after the spike's, NEST's least delay of one step one step later.
"""

import subprocess
import sys
from pathlib import Path

import brian2 as b2
import numpy as np
import side

BUILDS = Path(__file__).parents[3] / ".peers" / "brian2-builds"


def start(dt_ms: float, **own):
    """The arguments, after the device, the seed and dt are set."""
    asked = side.arguments(float32=False, **own)
    # A build is kept for the next seed, which then compiles only what differs.
    skip = {"seed": 0, "duration": 0, "spikes": bool(asked.spikes)}
    parts = [
        Path(sys.argv[0]).stem,
        *(f"{k}={v}" for k, v in {**vars(asked), **skip}.items()),
    ]
    b2.set_device("cpp_standalone", directory=str(BUILDS / "-".join(parts)))
    if asked.threads > 1:
        b2.prefs.devices.cpp_standalone.openmp_threads = asked.threads
    if asked.float32:
        b2.prefs.core.default_float_dtype = np.float32
    b2.defaultclock.dt = dt_ms * b2.ms
    b2.seed(asked.seed)
    return asked


def run(asked, group, sizes: dict[str, int], *others) -> None:
    """Run `group`, whose populations have `sizes` in order, with `others`; answer."""
    monitor = b2.SpikeMonitor(group, record=bool(asked.spikes))
    b2.Network(group, monitor, *others).run(asked.duration * b2.ms)
    counts = np.split(np.asarray(monitor.count), np.cumsum(list(sizes.values()))[:-1])
    if asked.spikes:
        times = np.asarray(monitor.t / b2.ms) + float(b2.defaultclock.dt / b2.ms)
        np.savez(asked.spikes, times=times, indices=np.asarray(monitor.i))
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True)
    side.answer(
        asked,
        {name: (int(c.sum()), c.size) for name, c in zip(sizes, counts, strict=True)},
        b2.get_device()._last_run_time,
        peer="brian2",
        target="C++ standalone" + (", OpenMP" if asked.threads > 1 else ""),
        dt_ms=float(b2.defaultclock.dt / b2.ms),
        dtype="float32" if asked.float32 else "float64",
        versions={"brian2": b2.__version__, "g++": compiler.stdout.strip()},
    )
