"""What every peer's script shares: its arguments, its spikes in a file, one line of JSON.

A script runs one seed of one network. It prints rates and times; spikes go to `--spikes`, from
which collect.py computes statistics by the same functions as for snnjax. Without `--spikes`
it only counts spikes, which is what is timed. Spike times are in ms, at the end of the step.
"""

import argparse
import json
import platform
import sys
import time

import numpy as np

START = time.perf_counter()


def arguments(**own) -> argparse.Namespace:
    """The arguments of all scripts and a script's `own`, by name and default."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--spikes", help="where to write times and indices (npz)")
    for name, default in own.items():
        flag = "--" + name.replace("_", "-")
        if default is False:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(default), default=default)
    return parser.parse_args()


def fixed_in_degree(rng, sources: int, targets: int, degree: int):
    """(pre, post): `degree` sources drawn for each target, autapses and multapses allowed."""
    post = np.repeat(np.arange(targets), degree)
    return rng.integers(0, sources, len(post)), post


def answer(asked, counts: dict[str, tuple[int, int]], run_s: float, **told) -> None:
    """Print the line; `counts`: (spikes, neurons) of each population."""
    total = time.perf_counter() - START
    rates = {k: 1e3 * c / n / asked.duration for k, (c, n) in counts.items()}
    line = {
        "rate_hz": rates,
        "sizes": {k: n for k, (_, n) in counts.items()},
        "run_s": run_s,
        "build_s": total - run_s,  # all else: wiring, compiling, writing
        **told,
        "threads": asked.threads,
        "monitor": "all spikes" if asked.spikes else "counts of spikes",
    }
    line["versions"] = {
        **told.get("versions", {}),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    print(json.dumps(line), flush=True)


def brunel(alpha: bool, peak=0.1, tau_m=20.0, tau_syn=0.5, theta=20.0, degree=1000):
    """(jump of one spike, rate in Hz at which `degree` inputs hold the mean at threshold).

    Delta synapses: the jump of v, `peak` mV. Alpha synapses: of y, in mV/ms^2, where
    x' = y - x / tau_syn, y' = -y / tau_syn, v' = -v / tau_m + x, so that v peaks at `peak`.
    """
    if not alpha:
        return peak, 1e3 * theta / (peak * degree * tau_m)
    t = np.linspace(0, 20 * tau_syn, 100_001)
    k = 1 / tau_syn - 1 / tau_m
    psp = (np.exp(-t / tau_m) - np.exp(-t / tau_syn) * (1 + k * t)) / k**2
    jump = peak / psp.max()
    return jump, 1e3 * theta / (jump * tau_syn**2 * degree * tau_m)
