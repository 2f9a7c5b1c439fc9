"""Shared by these benchmarks: the answer first, then the time of a second of model time."""

import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from _harness import header

import snnjax as snn
from snnjax.networks import verify

DURATION, REPEAT = 1000.0, 7  # ms of model time; timed runs


def time_networks(*names: str) -> None:
    """Time the networks of these names, as in `snnjax verify`, and print a row for each."""
    header("1 s of model time, counting spikes")
    columns = (
        "network",
        "neurons",
        "synapses",
        "rate Hz",
        "expected",
        "build s",
        "first s",
    )
    print(f"{columns[0]:36}", *(f"{c:>9}" for c in (*columns[1:], "median ms", "min ms")))
    for name in names:
        row = _row(name)
        print(f"{name:36}", *(f"{x:>9}" for x in row), flush=True)


def _row(name: str) -> list[str]:
    start = time.perf_counter()
    peer = next(iter(verify.references()[name]["peers"]))
    alike = verify.changes(name, peer)
    network, inputs, *state = verify.NETWORKS[name](key=jax.random.key(0), **alike)
    jax.block_until_ready((network, state))
    build = time.perf_counter() - start
    dt = verify.references()[name]["dt_ms"]
    record = snn.SpikeCount()
    run = lambda state: jax.block_until_ready(
        snn.simulate(network, inputs, dt, duration=DURATION, state=state, record=record)
    )
    start = time.perf_counter()
    first = run(state[0] if state else None)
    first_s = time.perf_counter() - start
    # From here the counts begin anew, past the transient, as the stored ones do.
    state = [snn.RunState(first.state.model, first.state.step)]
    rate = float(np.mean(run(*state).ys)) / DURATION * 1000
    share = DURATION / verify.references()[name]["duration_ms"]
    found = verify.compare([rate], "rate", verify.any_peer(name), "all", share, 1)
    if not found.ok:
        raise SystemExit(f"{name} fires at {rate:.2f} Hz, not {found.reference:.2f}.")
    seconds = []
    for _ in range(REPEAT):
        start = time.perf_counter()
        run(*state)
        seconds.append(time.perf_counter() - start)
    n_synapses = sum(s.n_synapses for s in network.synapses.values())
    milliseconds = (1e3 * statistics.median(seconds), 1e3 * min(seconds))
    return [
        f"{network.n_neurons}",
        f"{n_synapses}",
        *(f"{x:.2f}" for x in (rate, found.reference, build, first_s)),
        *(f"{x:.0f}" for x in milliseconds),
    ]
