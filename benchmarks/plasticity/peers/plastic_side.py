"""What these Brian2 scripts share: C++ standalone, one seed, one line of JSON."""

import argparse
import json
import platform
import sys
from pathlib import Path

import brian2 as b2
import numpy as np

BUILDS = Path(__file__).parents[3] / ".peers" / "brian2-builds"


def start(dt_ms: float, **own) -> argparse.Namespace:
    """The arguments and a script's `own`, after the device, the seed and dt are set."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--float32", action="store_true")
    for name, default in own.items():
        how = dict(action="store_true") if default is False else dict(type=type(default))
        parser.add_argument(f"--{name}", default=default, **how)
    asked = parser.parse_args()
    kind = [f"{name}={getattr(asked, name)}" for name in ("float32", *own)]
    name = "-".join([Path(sys.argv[0]).stem, *kind])
    b2.set_device("cpp_standalone", directory=str(BUILDS / name))
    if asked.float32:
        b2.prefs.core.default_float_dtype = np.float32
    b2.defaultclock.dt = dt_ms * b2.ms
    b2.seed(asked.seed)
    return asked


def run(asked, network, pre, post, synapses) -> None:
    """Run, and print rates over the whole run and the weights, in parts of the largest."""
    network.run(asked.duration * b2.ms)
    seconds, w = asked.duration / 1000, np.asarray(synapses.w[:]) / 0.01
    line = {
        "input_hz": float(np.mean(pre.count)) / seconds,
        "rate_hz": float(np.mean(post.count)) / seconds,
        "mean_weight": float(w.mean()),
        "below_fifth": float((w < 0.2).mean()),
        "above_four_fifths": float((w > 0.8).mean()),
        "run_s": b2.get_device()._last_run_time,
        "dtype": "float32" if asked.float32 else "float64",
        "versions": {"brian2": b2.__version__, "python": platform.python_version()},
    }
    print(json.dumps(line), flush=True)
