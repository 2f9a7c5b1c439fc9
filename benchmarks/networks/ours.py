"""One network in snnjax, timed in a process of its own; prints a line of JSON.

    python benchmarks/networks/ours.py cuba_4000 [--duration 1000] [--seed 0]

The time of a run is that of `simulate` on a network that exists and is compiled, spikes
counted; `first_s` is that of building, compiling and running it the first time after the
import.
"""

import argparse
import json
import platform
import time

import jax

import snnjax as snn
from snnjax.networks import verify

NETWORKS = [name for name in verify.NETWORKS if "potjans" not in name]


def main(asked) -> dict:
    start = time.perf_counter()
    make = verify.NETWORKS[asked.network]
    network, inputs, *state = make(key=jax.random.key(asked.seed))
    state = state[0] if state else None
    built = time.perf_counter()
    dt = 1.0 if asked.network.startswith("izhikevich") else 0.1
    record = snn.SpikeCount()

    def run():
        sol = snn.simulate(
            network, inputs, dt, duration=asked.duration, state=state, record=record
        )
        return jax.block_until_ready(sol.ys)

    counts = run()
    first = time.perf_counter() - start
    times = []
    for _ in range(asked.repeat):
        began = time.perf_counter()
        counts = run()
        times.append(time.perf_counter() - began)
    return {
        "rate_hz": float(counts.mean()) / asked.duration * 1e3,
        "run_s": times,
        "build_s": built - start,
        "first_s": first,
        "n_synapses": sum(s.n_synapses for s in network.synapses.values()),
        "versions": {"jax": jax.__version__, "python": platform.python_version()},
        "dtype": str(counts.dtype),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5)
    print(json.dumps(main(parser.parse_args())))
