"""Run the networks in Brian2 and NEST, and write the statistics that snnjax is compared with.

    python benchmarks/networks/peers/collect.py [--networks cuba_4000 ...] [--peers nest]

Rewrites the named networks in snnjax/networks/reference_statistics.json. Takes hours for all;
each number is from `snnjax.measures.population_statistics`, whatever made the spikes.
"""

import argparse
import datetime
import json
import re
import tempfile
from pathlib import Path

import definitions
import numpy as np

from snnjax.measures import population_statistics

FILE = definitions.ROOT / "snnjax" / "networks" / "reference_statistics.json"
ABOUT = {
    "made_by": "benchmarks/networks/peers/collect.py",
    "statistics": "[mean, standard deviation] over seeds of what population_statistics gives: "
    "rate in Hz; cv of interspike intervals, mean over neurons with 3 spikes or more; pairwise "
    "correlation of counts in bins of 5 ms, over all pairs; Fano factor of the population's "
    "count in these bins; peak in Hz of the spectrum of the population rate from 5 Hz on, "
    "windows of 500 ms; peak_power, its height over that of independent Poisson neurons",
    "window": "spikes from skip_ms to skip_ms + duration_ms",
    "delays": "the spike of step i with a delay of k steps arrives at the end of step i + k, in "
    "Brian2 after the thresholds of that step (a jump of v decays for a step before it can fire "
    "the neuron), in NEST before them, which fires about 1 % more with delta synapses; no delay "
    "is k = 0 in Brian2, and the least delay of NEST k = 1",
}


def one(peer: str, python, network: definitions.Definition) -> tuple[dict, float]:
    """(what is kept of a network in one peer, its dt in ms)."""
    script = network.scripts[peer]
    stop = network.skip + network.duration
    found: dict[str, list] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "spikes.npz"
        for seed in range(network.seeds):
            told = definitions.launch(
                python, script, "--seed", seed, "--duration", stop, "--spikes", file
            )
            with np.load(file) as spikes:
                times, indices = spikes["times"], spikes["indices"]
            first = 0
            groups = {"all": (0, sum(told["sizes"].values()))}
            for name, size in told["sizes"].items():
                groups[name] = (first, size)
                first += size
            for name, (first, size) in groups.items():
                mine = (indices >= first) & (indices < first + size)
                found.setdefault(name, []).append(
                    population_statistics(
                        times[mine],
                        indices[mine] - first,
                        size,
                        start=network.skip,
                        stop=stop,
                        rate_bin=max(network.rate_bin, told["dt_ms"]),
                    )
                )
    keep = ("target", "dtype", "threads", "versions")
    return {
        "script": script,
        **{k: told[k] for k in keep if k in told},
        "seeds": list(range(network.seeds)),
        "made": datetime.date.today().isoformat(),
        "statistics": {name: summary(runs) for name, runs in found.items()},
    }, told["dt_ms"]


def summary(runs: list) -> dict[str, list]:
    """[mean, standard deviation] over runs by statistic; null where none is defined."""
    columns = {k: np.array([getattr(r, k) for r in runs]) for k in runs[0]._fields}
    short = lambda x: float(f"{x:.4g}")
    return {
        k: None if np.isnan(x).any() else [short(x.mean()), short(x.std(ddof=1))]
        for k, x in columns.items()
    }


def write(results: dict) -> None:
    """The file, with each population on a line."""
    text = json.dumps(results, indent=1)
    flat = lambda match: re.sub(r"\s+", " ", match.group())
    text = re.sub(r"\[[^\[\]{}]*\]", flat, text)  # lists of numbers
    text = re.sub(r'\{\s+"rate"[^{}]*\}', flat, text)  # the statistics of a population
    text = re.sub(r'"versions": \{[^{}]*\}', flat, text)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    definitions.interpreters(parser)
    parser.add_argument("--peers", nargs="+", default=["brian2", "nest"])
    asked = parser.parse_args()
    for name in asked.networks:
        network = definitions.NETWORKS[name]
        for peer in (p for p in asked.peers if p in network.scripts):
            answer, dt = one(peer, getattr(asked, peer), network)
            results = json.loads(FILE.read_text()) if FILE.exists() else {}
            entry = results.get("networks", {}).get(name, {})
            results = {"about": ABOUT, "networks": results.get("networks", {})}
            said = {
                "definition": network.text,
                "dt_ms": dt,
                "skip_ms": network.skip,
                "duration_ms": network.duration,
            }
            same = all(entry.get(k) == v for k, v in said.items())  # or the rest is stale
            peers = {**(entry["peers"] if same else {}), peer: answer}
            results["networks"][name] = {**said, "peers": peers}
            write(results)
            print(name, peer, answer["statistics"]["all"], flush=True)
