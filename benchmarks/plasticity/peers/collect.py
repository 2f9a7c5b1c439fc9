"""Song & Abbott in Brian2 over seeds: statistics of 100 s, for the tests of snnjax.

    python benchmarks/plasticity/peers/collect.py [--seeds 10] [--brian2 PYTHON]

Writes song_abbott.json beside this script: mean and standard deviation over seeds of the
rate over the whole run (Hz) and of the weights at its end (parts of the largest), for Brian2's
example as it is, and with the step of snnjax (`--alike`).
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TOLD = ("input_hz", "rate_hz", "mean_weight", "below_fifth", "above_four_fifths")


def launch(python, script: str, *options) -> dict:
    """The answer of one run."""
    command = [python, HERE / script, *map(str, options)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{script}: {run.stderr.strip()[-2000:]}")
    return json.loads(run.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    python = ROOT / ".peers" / "brian2" / "bin" / "python"
    parser.add_argument("--brian2", default=python, help="Python with brian2")
    asked = parser.parse_args()
    stored = {"duration_ms": 1e5, "dt_ms": 0.1, "seeds": asked.seeds}
    for name, options in (("example", []), ("alike", ["--alike"])):
        told = [
            launch(asked.brian2, "brian2_song_abbott.py", "--duration", 1e5, "--seed", seed,
                   *options)
            for seed in range(asked.seeds)
        ]  # fmt: skip
        stored["versions"] = told[0]["versions"]
        of = {key: [one[key] for one in told] for key in TOLD}
        stored[name] = {
            key: {"mean": statistics.mean(x), "sd": statistics.stdev(x)}
            for key, x in of.items()
        }
    (HERE / "song_abbott.json").write_text(json.dumps(stored, indent=1) + "\n")
