"""Networks in snnjax, Brian2 and NEST: time of 1 s of model time, rates and ratios.

    python benchmarks/networks/against_peers.py [--networks cuba_4000 ...] [--rounds 3]
        [--older PYTHON]

Each side runs in its own process, one after the other and in turn over the rounds: snnjax in
float32, Brian2 as C++ standalone on one thread, in float64 and float32, NEST on two threads.
Spikes are counted, none recorded; compiling and building are not in the time. `--older` is
a Python with the oldest jax, reported beside. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))
import definitions  # noqa: E402

PEERS = {
    "Brian2 C++, float64": ("brian2", []),
    "Brian2 C++, float32": ("brian2", ["--float32"]),
    "NEST, 2 threads": ("nest", ["--threads", 2]),
}
OURS = "snnjax"
REACH = [
    *("izhikevich_1000", "izhikevich_4000", "cuba_4000", "coba_4000", "cuba_delays"),
    *("cuba_16000", "coba_16000", "cobahh", "brunel_ai"),
]


def own(python, name: str, duration: float) -> dict:
    """One process of snnjax: medians of its runs."""
    command = [python, HERE / "ours.py", name, "--duration", str(duration)]
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    if run.returncode:
        raise RuntimeError(f"{name}: {run.stderr.strip()[-2000:]}")
    told = json.loads(run.stdout.strip().splitlines()[-1])
    return {**told, "run_s": statistics.median(told["run_s"])}


def peer(asked, side: str, name: str) -> dict | None:
    """One process of a peer; None where it has no script or does not run."""
    which, options = PEERS[side]
    script = definitions.NETWORKS[name].scripts.get(which)
    if script is None:
        return None
    python = getattr(asked, which)
    told = definitions.launch(python, script, "--duration", asked.duration, *options)
    sizes = told["sizes"]
    rate = sum(n * told["rate_hz"][k] for k, n in sizes.items()) / sum(sizes.values())
    return {**told, "rate_hz": rate}


def measure(asked, name: str) -> dict[str, list[dict]]:
    """What each side told of a network, a list over rounds."""
    sides = {OURS: lambda: own(sys.executable, name, asked.duration)}
    if asked.older:
        sides["snnjax, older jax"] = lambda: own(asked.older, name, asked.duration)
    for side in asked.sides:
        sides[side] = lambda side=side: peer(asked, side, name)
    told: dict[str, list[dict]] = {side: [] for side in sides}
    for i in range(asked.rounds):
        for side in sides if i % 2 == 0 else reversed(sides):
            answer = sides[side]()
            if answer is not None:
                told[side].append(answer)
    return {side: answers for side, answers in told.items() if answers}


def table(name: str, told: dict[str, list[dict]]) -> None:
    """One row a side; the ratio is its median time over that of snnjax."""
    print(
        f"\n# {name}\n{'':22} {'run ms':>8} {'least':>8} {'rate Hz':>8} {'ratio':>6} {'first s':>8}"
    )
    base = statistics.median(a["run_s"] for a in told[OURS])
    for side, answers in told.items():
        times = [a["run_s"] for a in answers]
        rate = statistics.mean(a["rate_hz"] for a in answers)
        first = [a["first_s"] for a in answers if "first_s" in a]
        shown = f"{statistics.median(first):8.2f}" if first else ""
        median = statistics.median(times)
        print(
            f"{side:22} {median * 1e3:8.1f} {min(times) * 1e3:8.1f} {rate:8.2f} "
            f"{median / base:6.2f} {shown}",
            flush=True,
        )
    versions = {f"{k} {v}" for a in told.values() for k, v in a[0]["versions"].items()}
    print("; ".join(sorted(versions)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    definitions.interpreters(parser)
    parser.set_defaults(networks=REACH)
    parser.add_argument("--sides", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--older", help="a Python with the oldest jax")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    asked = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load before the start "
        f"{os.getloadavg()[0]:.2f}"
    )
    for name in asked.networks:
        table(name, measure(asked, name))
