"""snnjax against its peers on the same work, gradients compared first.

    python benchmarks/peers/run.py [--work W1-512 ...] [--peers spyx ...] [--rounds 5]

Each side is a process of its own, in its own environment (see install.py), with the same
inputs, weights, number of threads and allocator setting. All sides of a workload are started
one after the other, and then measured in turn, round after round, so that a slow spell of the
machine hits all of them. A ratio is the median over rounds of snnjax's time by the peer's in
the same round. A side whose gradients do not agree is named, and not compared.

Run it on a machine that does nothing else: torch's threads wait for each other, and lose
tenfold where another process wants a core.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import process
import report
import workloads
from install import PINS, environment, interpreter, ready

PEERS = [side for pins in PINS.values() for side in pins["sides"]]
REMAT = "snnjax_remat"  # only where memory is compared
SPLIT = "snnjax_cores"  # only where it is not
TOLERANCE = 1e-3  # of ||g - g_snnjax|| / ||g_snnjax||; one spike moved by rounding is 1e-4


def python_of(side: str, own: str) -> str:
    """The interpreter that `side` runs in; `own` is snnjax's."""
    return own if side.startswith(("snnjax", "copy")) else interpreter(environment(side))


def disagreement(ours: Path, theirs: Path) -> float:
    """Largest relative distance of a gradient from snnjax's, over the weights."""
    a, b = np.load(ours), np.load(theirs)
    assert set(a) == set(b), (set(a), set(b))
    away = [np.linalg.norm(b[k] - a[k]) / np.linalg.norm(a[k]) for k in a]
    return float(np.nan_to_num(max(away), nan=np.inf))


def start(name: str, sides: list[str], own: str, folder: Path) -> dict:
    """The running processes by side, each with its report and `away` from snnjax."""
    arrays = folder / f"{name}.npz"
    workloads.write(name, arrays)
    running = {}
    for side in sides:
        answer = folder / f"{name}-{side}.npz"
        try:
            running[side] = process.Process(
                side, python_of(side, own), name, arrays, answer
            )
        except RuntimeError as error:
            print(f"{name}: {side} failed: {error}", flush=True)
            continue
        if side == "copy":
            continue
        away = disagreement(folder / f"{name}-snnjax.npz", answer)
        running[side].report["away"] = away
        if away > TOLERANCE:
            print(f"{name}: {side} does not agree, gradients off by {away:.1e}", flush=True)
    arrays.unlink()
    return running


def measure(running: dict, rounds: int, seconds: float) -> dict[str, dict[str, list]]:
    """Milliseconds by call and side, one a round; sides in turn, in both directions."""
    times: dict[str, dict[str, list]] = {}
    for i in range(rounds):
        order = list(running) if i % 2 == 0 else list(reversed(running))
        for side in order:
            for call, ms in running[side].time(seconds).items():
                times.setdefault(call, {}).setdefault(side, []).append(ms)
    return times


def one(name: str, sides: list[str], asked, folder: Path) -> dict:
    """Run workload `name`, print its rows and return all that was measured."""
    work = workloads.WORKLOADS[name]
    alone = name == "memory"
    sides = ["snnjax", REMAT if alone else SPLIT, *sides]
    sides += ["copy"] if work.kind == "lif" else []
    if alone:  # one at a time: nothing is timed, and each needs gigabytes
        reports = {}
        first = folder / f"{name}-snnjax.npz"
        for side in sides:
            for running in start(name, [side], asked.python, folder).values():
                running.close()
                reports[side] = running.report
        assert first.exists()
        report.memory(work, reports)
        return {"reports": reports}
    running = start(name, sides, asked.python, folder)
    try:
        times = measure(running, asked.rounds, asked.seconds)
    finally:
        for side in running.values():
            side.close()
    reports = {side: p.report for side, p in running.items()}
    agreeing = {s for s in reports if reports[s].get("away", 0) <= TOLERANCE}
    report.times(name, work, times, reports, agreeing)
    return {"reports": reports, "ms": times}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(workloads.WORKLOADS)
    parser.add_argument("--work", nargs="+", choices=names, default=names)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="a side, call and round")
    parser.add_argument("--python", default=sys.executable, help="what runs snnjax")
    parser.add_argument("--json", type=Path, help="where to write all that was measured")
    asked = parser.parse_args()
    missing = [side for side in asked.peers if not ready(environment(side))]
    if missing:
        parser.error(f"{', '.join(missing)} not installed: run benchmarks/peers/install.py")
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, float32, "
          f"load before the start {load:.2f}, {process.ALLOCATOR}")  # fmt: skip
    if load > 0.5:
        print("The machine is busy: take no number below for more than a hint.")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.work:
            results[name] = one(name, asked.peers, asked, Path(folder))
            if asked.json:
                asked.json.write_text(json.dumps(results, indent=1))
