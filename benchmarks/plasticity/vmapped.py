"""256 networks of 100 x 10 plastic synapses, vmapped: time of each beside one alone.

python benchmarks/plasticity/vmapped.py [--networks 256] [--duration 1000]
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from _harness import header

import snnjax as snn

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--networks", type=int, default=256)
parser.add_argument("--duration", type=float, default=1000.0, help="ms")
parser.add_argument("--rounds", type=int, default=5)
RATE = 150.0  # Hz: 100 sources drive a cell as 1000 of 15 Hz do


def run(key, duration):
    """(mean weight in parts of the largest, rate in Hz) of one network."""
    net, inputs, start = snn.networks.song_abbott(100, key=key, n_cells=10, rate_hz=RATE)
    sol = snn.simulate(
        net, inputs, 0.1, duration=duration, state=start, record=snn.SpikeCount(),
        throw=False,
    )  # fmt: skip
    w = sol.final.learned["inputs->cells"].weight
    return w.mean() / 0.01, sol.ys[100:].mean() / duration * 1e3


if __name__ == "__main__":
    asked = parser.parse_args()
    header(f"100 x 10 plastic synapses, {asked.duration:g} ms at 0.1 ms")
    keys = jax.random.split(jax.random.key(0), asked.networks)
    one = jax.jit(lambda key: run(key, asked.duration))
    all_of_them = jax.jit(jax.vmap(lambda key: run(key, asked.duration)))
    alone = np.array([one(key) for key in keys[:4]])
    together = np.array(all_of_them(keys)).T
    np.testing.assert_allclose(together[:4], alone, rtol=2e-3)
    times = {"one alone": [], "vmapped, each": []}
    for _ in range(asked.rounds):
        for name, f, x, n in (
            ("one alone", one, keys[0], 1),
            ("vmapped, each", all_of_them, keys, asked.networks),
        ):
            cpu, wall = time.process_time(), time.perf_counter()
            jax.block_until_ready(f(x))
            spent = time.process_time() - cpu, time.perf_counter() - wall
            times[name].append([t / n for t in spent])
    cpu = {name: statistics.median(t[0] for t in ts) for name, ts in times.items()}
    wall = {name: statistics.median(t[1] for t in ts) for name, ts in times.items()}
    for name in times:
        print(f"{name:14} CPU {cpu[name] * 1e3:8.3f} ms, wall {wall[name] * 1e3:8.3f} ms")
    for what, t in (("CPU", cpu), ("wall", wall)):
        print(
            f"{what}: each costs 1 / {t['one alone'] / t['vmapped, each']:.1f} of one alone"
        )
    print(f"rate {together[:, 1].mean():.2f} Hz, mean weight {together[:, 0].mean():.4f}")
