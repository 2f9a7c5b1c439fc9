"""How time and memory of CUBA grow with its size, at 80 synapses a neuron.

    python benchmarks/networks/scaling.py [--duration 500] [--sizes 4000 16000 64000]

It prints, by size, CPU seconds (of all threads; the machine need not be quiet) and what follows
from them: the time of a neuron's step, from the network without synapses; of a synaptic event;
and of hearing from a neuron in a step when the network is cut (`Network.shard(1)`). Bytes are those
of the arrays, and of what XLA keeps besides. Numbers in docs/scaling.md rest on this script.
"""

import argparse
import dataclasses
import time
import tracemalloc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from benchmarks._harness import header
from snnjax.networks import Network

DT, IN_DEGREE = 0.1, 80


def with_each_weight(net: Network) -> Network:
    """The same with a weight for each synapse in place of one for all."""
    each = lambda s: dataclasses.replace(s, weight=jnp.full(s.n_synapses, s.weight))
    synapses = type(net.synapses)((name, each(s)) for name, s in net.synapses.items())
    return eqx.tree_at(lambda net: net.synapses, net, synapses)


def cpu_seconds(
    net: Any, state: snn.RunState, n_steps: int, repeat: int
) -> tuple[float, Any]:
    """(the least CPU time of several runs, spikes of each neuron)."""
    once = lambda: (
        snn.simulate(
            net, {}, DT, n_steps=n_steps, state=state, record=snn.SpikeCount(), throw=False
        ).ys
    )
    counts, seconds = np.asarray(once()), []
    for _ in range(repeat):
        start = time.process_time()
        jax.block_until_ready(once())
        seconds.append(time.process_time() - start)
    return min(seconds), counts


def nbytes(net: Network) -> int:
    """Of all that a network holds for its synapses."""
    return sum(x.nbytes for x in jax.tree.leaves(net.synapses))


def kept(net: Network, state: snn.RunState) -> int:
    """What a compiled run keeps besides its arguments and results, in bytes."""

    def run(net, state):
        sol = snn.simulate(net, {}, DT, n_steps=10, state=state, throw=False)
        return sol.ys.sum()

    compiled = jax.jit(run).lower(net, state).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def cut_peak(net: Network) -> int:
    """Bytes that `Network.shard` needs at once on the host, in its NumPy arrays."""
    tracemalloc.start()
    net.shard(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def row(n: int, n_steps: int, repeat: int) -> dict[str, float]:
    """All that is measured of `n` neurons, by name."""
    net, _, state = snn.networks.cuba(n, key=jax.random.key(0), fixed=True)
    seconds, counts = cpu_seconds(net, state, n_steps, repeat)
    rate = counts.mean() * 1e3 / (n_steps * DT)
    assert 5.0 < rate < 6.5, f"{n} neurons fire at {rate:.2f} Hz, not at 5 to 6.5 Hz."
    alone, _ = cpu_seconds(Network(net.populations), state, n_steps, repeat)
    cut, same = cpu_seconds(net.shard(1), state, n_steps, repeat)
    assert abs(same.mean() / counts.mean() - 1) < 0.05
    events, steps, synapses = counts.sum() * IN_DEGREE, n * n_steps, n * IN_DEGREE
    each = with_each_weight(net)
    return {
        "neurons": n,
        "rate Hz": rate,
        "CPU s": seconds,
        "ns/event, all": seconds / events * 1e9,
        "ns/neuron/step": alone / steps * 1e9,
        "ns/event": (seconds - alone) / events * 1e9,
        "ns/heard/step": (cut - seconds) / steps * 1e9,
        "bytes/synapse": nbytes(each) / synapses,
        "+ in a run": kept(each, state) / synapses,
        "+ to cut": cut_peak(each) / synapses,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--duration", type=float, default=500.0, help="ms of model time")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4000, 16_000, 64_000])
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    header(f"CUBA, {IN_DEGREE} synapses a neuron, {given.duration:g} ms")
    rows = []
    for n in given.sizes:
        rows.append(row(n, round(given.duration / DT), given.repeat))
        if n == given.sizes[0]:
            print(" ".join(f"{name:>14}" for name in rows[0]))
        print(" ".join(f"{x:14.4g}" for x in rows[-1].values()), flush=True)
    growth = rows[-1]["ns/event, all"] / rows[0]["ns/event, all"]
    print(
        f"\ntime per event, {given.sizes[-1]} over {given.sizes[0]} neurons: {growth:.2f}"
    )


if __name__ == "__main__":
    main()
