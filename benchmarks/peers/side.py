"""What all sides have in common: one process that does one workload when told to.

    python benchmarks/peers/snntorch_.py W2 W2.npz gradients.npz

It prints one line of JSON - loss, seconds of the first call, memory, versions - and saves
its gradients. Then it waits: each line on its standard input, a number of seconds, makes it
repeat every timed call for that long and print the milliseconds. It ends with its input.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from workloads import WORKLOADS, Workload

CORES = len(os.sched_getaffinity(0))


class Side(NamedTuple):
    """One library's way to do the work.

    - `calls`: what is timed, by name; each does the whole of it before it returns.
    - `gradients`: (loss, gradients by name, laid out as the weights of the npz), from the
      weights as they were drawn.
    """

    calls: dict[str, Callable[[], Any]]
    gradients: Callable[[], tuple[float, dict[str, Any]]]


def main(
    build: Callable[[Workload, Mapping[str, np.ndarray]], Side], *packages: str
) -> None:
    """Serve `build` (workload, arrays) on the command line; `packages` are named with it."""
    imported = _memory("VmRSS")
    name, arrays, answer = sys.argv[1:]
    side = build(WORKLOADS[name], np.load(arrays))
    first = {}
    for call, run in side.calls.items():
        start = time.perf_counter()
        run()
        first[call] = time.perf_counter() - start
        run()
        run()
    peak = _memory("VmHWM") - imported
    loss, gradients = side.gradients()
    np.savez(answer, **{k: np.asarray(g, np.float32) for k, g in gradients.items()})
    report = {
        "loss": float(loss),
        "first_s": first,
        "peak_mb": peak / 1024,
        "imported_mb": imported / 1024,
        "cores": CORES,
        "versions": {"python": sys.version.split()[0], **{p: version(p) for p in packages}},
    }
    print(json.dumps(report), flush=True)
    for line in sys.stdin:
        times = {call: _repeat(run, float(line)) for call, run in side.calls.items()}
        print(json.dumps(times), flush=True)


def _repeat(run, seconds) -> float:
    run()
    times, until = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _memory(what: str) -> float:
    """`VmRSS`, resident now, or `VmHWM`, its peak, in KB; both of this program alone."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return float(status.read_text().split(f"{what}:")[1].split()[0])
