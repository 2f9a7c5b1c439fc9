"""Shared by the benchmarks beside Brian2: rounds in turn, rates first, wall and CPU time.

snnjax runs in float32 in this process, Brian2 as C++ standalone on one thread in its own.
Building and compiling are in neither time. Ratios hold on a machine that does nothing
else: the load is printed.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "peers")]
from _harness import header  # noqa: E402
from collect import ROOT, launch  # noqa: E402

import snnjax as snn  # noqa: E402

OURS = "snnjax, float32"
PEERS = {"Brian2 C++, float64": [], "Brian2 C++, float32": ["--float32"]}


def own(cells: int, duration: float):
    """A function that runs the network once and tells as Brian2's scripts do."""
    net, inputs, start = snn.networks.song_abbott(key=jax.random.key(0), n_cells=cells)
    record = snn.SpikeCount()
    run = lambda: jax.block_until_ready(
        snn.simulate(net, inputs, 0.1, duration=duration, state=start, record=record)
    )
    run()

    def once() -> dict:
        wall, cpu = time.perf_counter(), time.process_time()
        sol = run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        hz = np.asarray(sol.ys) / duration * 1e3
        w = np.asarray(sol.final.learned["inputs->cells"].weight) / 0.01
        rates = dict(input_hz=hz[:1000].mean(), rate_hz=hz[1000:].mean())
        return dict(rates, mean_weight=w.mean(), run_s=wall, cpu_s=cpu)

    return once


def compare(name: str, *, duration: float, cells: int, at_least: float) -> None:
    """Print a row for each side, and its ratio of medians to snnjax beside what is asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=duration, help="ms")
    python = ROOT / ".peers" / "brian2" / "bin" / "python"
    parser.add_argument("--brian2", default=python, help="Python with brian2")
    asked = parser.parse_args()
    header(f"{name}, {asked.duration / 1e3:g} s at 0.1 ms")
    print(f"load before the start {os.getloadavg()[0]:.2f}")
    sides = {OURS: own(cells, asked.duration)}
    for side, options in PEERS.items():
        arguments = ["brian2_song_abbott.py", "--alike", "--cells", cells, *options]
        arguments += ["--duration", asked.duration]
        sides[side] = lambda arguments=arguments: launch(asked.brian2, *arguments)
    told = {side: [] for side in sides}
    for i in range(asked.rounds):
        for side in sides if i % 2 == 0 else reversed(sides):
            told[side].append(sides[side]())
    median = lambda side, key: statistics.median(x[key] for x in told[side])
    print(
        f"{'':22} {'wall s':>8} {'least':>8} {'input Hz':>9} {'rate Hz':>8} {'weight':>7} ratio"
    )
    for side, rounds in told.items():
        shown = [median(side, k) for k in ("input_hz", "rate_hz", "mean_weight")]
        wall = median(side, "run_s")
        print(
            f"{side:22} {wall:8.3f} {min(x['run_s'] for x in rounds):8.3f} {shown[0]:9.2f} "
            f"{shown[1]:8.2f} {shown[2]:7.4f} {wall / median(OURS, 'run_s'):.2f}",
            flush=True,
        )
    print(
        f"CPU time of snnjax {median(OURS, 'cpu_s'):.3f} s; asked of the first: {at_least} x"
    )
