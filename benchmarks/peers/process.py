"""A side as a process: started, asked for times, ended."""

import json
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ALLOCATOR = "glibc.malloc.hugetlb=1"  # the same on every side: page faults cost up to 4x
# Whatever else these say would not be the same for all.
LEFT_OUT = ("JAX_", "XLA_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "GLIBC_", "MALLOC_", "LD_")


class Process:
    """`side` doing one workload; see side.py for what is said on its pipes."""

    def __init__(self, side: str, python, name: str, arrays: Path, answer: Path):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(LEFT_OUT)}
        library = {"PYTHONPATH": str(HERE.parents[1])} if side.startswith("snnjax") else {}
        self.log = answer.with_suffix(".log")
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                [python, HERE / f"{side}_.py", name, arrays, answer],
                env={
                    **keep,
                    "JAX_PLATFORMS": "cpu",
                    "GLIBC_TUNABLES": ALLOCATOR,
                    **library,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.report = self._read()

    def _read(self) -> dict:
        line = self.child.stdout.readline()
        if not line:
            code = self.child.wait()
            said = self.log.read_text().strip().splitlines() or ["nothing was said"]
            raise RuntimeError(f"exit code {code}: {said[-1]}")
        return json.loads(line)

    def time(self, seconds: float) -> dict[str, float]:
        """Median milliseconds of each of its calls, repeated for `seconds`."""
        self.child.stdin.write(f"{seconds}\n")
        self.child.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Let it end."""
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
