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

NETWORKS = {
    "izhikevich_1000": lambda key: (*snn.networks.izhikevich_2003(key=key), None),
    "izhikevich_4000": lambda key: (
        *snn.networks.izhikevich_2003(key=key, n_exc=3200, n_inh=800, in_degree=100),
        None,
    ),
    "cuba_4000": lambda key: snn.networks.cuba(key=key),
    "cuba_16000": lambda key: snn.networks.cuba(16_000, key=key, fixed_in_degree=True),
    "cuba_delays": lambda key: snn.networks.cuba(key=key, delays=True),
    "coba_4000": lambda key: snn.networks.coba(key=key),
    "coba_16000": lambda key: snn.networks.coba(16_000, key=key, fixed_in_degree=True),
    "cobahh": lambda key: snn.networks.cobahh(key=key),
    "brunel_ai": lambda key: snn.networks.brunel(key=key),
}


def main(asked) -> dict:
    start = time.perf_counter()
    network, inputs, state = NETWORKS[asked.network](jax.random.key(asked.seed))
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
