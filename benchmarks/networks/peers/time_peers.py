"""Median time of the run phase of each network in Brian2 and NEST.

    python benchmarks/networks/peers/time_peers.py [--networks cuba_4000 ...] [--rounds 5]

Every side runs `--duration` ms of model time, counting spikes and recording none, in its own
process: C++ standalone without its compilation, NEST without its building. Rounds go through
the sides in turn, in both directions. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import statistics

import definitions

SIDES = {
    "brian2, float64, 1 thread": ("brian2", []),
    "brian2, float32, 1 thread": ("brian2", ["--float32"]),
    "brian2, float64, 2 threads": ("brian2", ["--threads", 2]),
    "nest, float64, 1 thread": ("nest", []),
    "nest, float64, 2 threads": ("nest", ["--threads", 2]),
}


def measure(asked, name: str) -> dict[str, list[dict]]:
    """What each side told of network `name`, a list over rounds."""
    scripts = definitions.NETWORKS[name].scripts
    sides = [side for side in asked.sides if SIDES[side][0] in scripts]
    told: dict[str, list[dict]] = {side: [] for side in sides}
    for i in range(asked.rounds):
        for side in sides if i % 2 == 0 else reversed(sides):
            peer, options = SIDES[side]
            answer = definitions.launch(
                getattr(asked, peer), scripts[peer], "--duration", asked.duration, *options
            )
            told[side].append(answer)
    return told


def table(name: str, told: dict[str, list[dict]]) -> None:
    """One row a side."""
    print(f"\n# {name}\n{'':28} {'run ms':>8} {'least':>8} {'build s':>8} {'rate Hz':>8}")
    for side, answers in told.items():
        run = [1e3 * a["run_s"] for a in answers]
        build = statistics.median(a["build_s"] for a in answers)
        sizes = answers[0]["sizes"]
        spikes = sum(n * answers[0]["rate_hz"][k] for k, n in sizes.items())
        print(f"{side:28} {statistics.median(run):8.0f} {min(run):8.0f} {build:8.1f} "
              f"{spikes / sum(sizes.values()):8.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    definitions.interpreters(parser)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--json", help="where to write all that was measured")
    asked = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"load before the start {os.getloadavg()[0]:.2f}")  # fmt: skip
    results = {}
    for name in asked.networks:
        results[name] = measure(asked, name)
        table(name, results[name])
        versions = {
            f"{k} {v}" for a in results[name].values() for k, v in a[0]["versions"].items()
        }
        print("; ".join(sorted(versions)))
        if asked.json:
            with open(asked.json, "w") as file:
                json.dump(results, file, indent=1)
