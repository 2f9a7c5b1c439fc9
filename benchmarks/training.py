"""Training by surrogate gradient: the workloads that are compared with other libraries.

snnjax alone: time of a call and of the first one, peak memory, and for LIF alone the bytes
that it moves beside a plain copy. With the peers it is benchmarks/peers/run.py.

    python benchmarks/training.py [--work W1-512 ...] [--rounds 5] [--seconds 1]
"""

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    run = Path(__file__).parent / "peers" / "run.py"
    sys.exit(subprocess.call([sys.executable, run, "--peers", *sys.argv[1:]]))
