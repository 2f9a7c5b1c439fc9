"""Sweeps of single cells by `snn.sweep` beside Brian2: counts of spikes, on both cores.

    python benchmarks/sweeps/against_brian2.py [--rounds 3] [--brian2 PYTHON] [--older PYTHON]

10,000 Hodgkin-Huxley cells (exponential Euler, 0.01 ms, 100 ms) and 100,000 LIF (exact, 0.1 ms,
1 s), each with its own current. snnjax in float32 on one and on two host devices, each in a process
of its own; Brian2 as C++ standalone with OpenMP on two threads. Compilation is in neither time, and
printed for snnjax. `--older`: a Python with an older jax.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORKS = {  # of Brian2, and how many times as fast snnjax is asked to be
    "hh": (dict(n=10_000, duration=100.0, dt=0.01, highest=30.0), 10),
    "lif": (dict(n=100_000, duration=1000.0, dt=0.1, highest=500.0), 20),
}


def ours(work: str, devices: int, repeat: int) -> None:
    """Time the sweep of `work`; prints a line of JSON."""
    import jax
    import numpy as np

    import snnjax as snn
    from snnjax.sweeps.bind import bind
    from snnjax.sweeps.points import points_of
    from snnjax.sweeps.program import Program, fitting

    snn.use_cores(devices)
    given = WORKS[work][0]
    model = dict(hh=snn.HodgkinHuxley(), lif=snn.LIF())[work]

    def counts(current):
        return snn.simulate(
            model, current, given["dt"], duration=given["duration"],
            record=snn.SpikeCount(), throw=False,
        ).ys  # fmt: skip

    over = dict(current=np.linspace(0, given["highest"], given["n"]))
    start = time.perf_counter()
    found = snn.sweep(counts, over)["counts"].values
    first = time.perf_counter() - start
    # The program of the sweep itself, compiled once more to be timed apart from compilation.
    points = points_of(over)
    program = Program(bind(counts, points.axes, None, "sweep"), {}, points, None)
    compiled = fitting(program, len(points), "auto", 1e9, jax.local_devices())
    pieces = np.split(
        np.arange(len(points)), range(compiled.size, len(points), compiled.size)
    )
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        again = [compiled(numbers)["counts"] for numbers in pieces]
        seconds.append(time.perf_counter() - start)
    np.testing.assert_array_equal(np.concatenate(again), found)
    steps = given["n"] * given["duration"] / given["dt"]
    told = dict(
        run_s=statistics.median(seconds), least_s=min(seconds), first_s=first,
        spikes=int(found.sum()), batch=compiled.size, steps=steps,
        versions=f"snnjax {snn.__version__}, jax {jax.__version__}, float32",
    )  # fmt: skip
    print(json.dumps(told))


def exponential_ns() -> float:
    """One float32 exponential of an array that stays in cache, ns."""
    import jax
    import jax.numpy as jnp

    import snnjax  # noqa: F401  its flags for XLA

    n, k = 4096, 20_000
    f = jax.jit(lambda x: jax.lax.fori_loop(0, k, lambda _, x: jnp.exp(x) * 0.1, x))
    x = jnp.linspace(-1.0, 1.0, n)
    f(x).block_until_ready()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        f(x).block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times) / n / k * 1e9


def launch(*command) -> dict:
    run = subprocess.run(
        [*map(str, command)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:])
    return json.loads(run.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=WORKS, action="append")
    parser.add_argument("--brian2", default=ROOT / ".peers" / "brian2" / "bin" / "python")
    parser.add_argument("--older", help="Python with an older jax")
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ours:
        ours(asked.ours[0], int(asked.ours[1]), 7)
        return
    print(f"load before the start {os.getloadavg()[0]:.2f}; exp {exponential_ns():.2f} ns")
    for work in asked.work or WORKS:
        given, at_least = WORKS[work]
        options = [x for name, value in given.items() for x in (f"--{name}", value)]
        brian2 = [asked.brian2, HERE / "peers" / "brian2_sweep.py", work, *options]
        me = lambda python, devices, work=work: [python, __file__, "--ours", work, devices]
        sides = {
            "snnjax, 2 devices": me(sys.executable, 2),
            "snnjax, 1 device": me(sys.executable, 1),
        }
        if asked.older:
            sides["older jax, 2 devices"] = me(asked.older, 2)
        sides |= {"Brian2, float64": brian2, "Brian2, float32": [*brian2, "--float32"]}
        told: dict = {name: [] for name in sides}
        for i in range(asked.rounds):
            for name in sides if i % 2 == 0 else reversed(sides):
                told[name].append(launch(*sides[name]))
        best = statistics.median(t["run_s"] for t in told["snnjax, 2 devices"])
        print(f"\n{work}: {given}; asked of the ratio to Brian2, float64: {at_least}")
        for name, rounds in told.items():
            run = statistics.median(t["run_s"] for t in rounds)
            more = ""
            if "steps" in rounds[0]:
                each = run / rounds[0]["steps"] * 1e9
                more = (
                    f", {each:.2f} ns a step of a cell, first call {rounds[0]['first_s']:.2f} s, "
                    f"batches of {rounds[0]['batch']}"
                )
            print(
                f"{name:22} {run * 1e3:8.1f} ms, ratio {run / best:5.2f}, "
                f"{rounds[0]['spikes']} spikes{more} ({rounds[0]['versions']})",
                flush=True,
            )


if __name__ == "__main__":
    main()
