"""One virtual environment for each peer, under .peers/, from the pins in pins.toml.

    python benchmarks/peers/install.py [--python PYTHON] [--torch-python PYTHON] [NAME ...]

An environment that is there and up to date with pins.toml is left as it is. The newest jax
wants Python 3.12. Torch is meant to be a CPU build; where pip offers one for some Python only,
name that one by --torch-python.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

PEERS = Path(__file__).parents[2] / ".peers"
PINS = tomllib.loads((Path(__file__).parent / "pins.toml").read_text())


def interpreter(name: str) -> Path:
    """The Python of environment `name`."""
    return PEERS / name / "bin" / "python"


def environment(side: str) -> str:
    """The environment that `side` runs in."""
    return next(name for name, pins in PINS.items() if side in pins["sides"])


def ready(name: str) -> bool:
    """Whether environment `name` is there, and made from the pins as they are now."""
    stamp = PEERS / name / "made-from"
    return stamp.exists() and stamp.read_text() == _fingerprint(name)


def _fingerprint(name) -> str:
    return hashlib.sha256(json.dumps(PINS[name], sort_keys=True).encode()).hexdigest()


def install(name: str, python: str) -> None:
    """Make environment `name` with `python`, from nothing."""
    print(f"Installing {name} into {PEERS / name} (once; some minutes) ...", flush=True)
    if PINS[name]["alone"]:
        print(
            "pip will name what is left out on purpose (torchvision and the like).",
            flush=True,
        )
    shutil.rmtree(PEERS / name, ignore_errors=True)
    subprocess.run([python, "-m", "venv", PEERS / name], check=True)
    pip = [interpreter(name), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    for part, options in (("first", []), ("alone", ["--no-deps"]), ("then", [])):
        if PINS[name][part]:
            subprocess.run([*pip, *options, *PINS[name][part]], check=True)
    (PEERS / name / "made-from").write_text(_fingerprint(name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PINS))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--torch-python", help="by default that of --python")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(PINS)
    if unknown:
        parser.error(f"no environment {sorted(unknown)}; there are {', '.join(PINS)}")
    for name in asked.names or PINS:
        if not ready(name):
            torch = name == "torch" and asked.torch_python
            install(name, asked.torch_python if torch else asked.python)
