"""Which model to use: measured cost of each neuron, beside the patterns shown with it.

Each model runs 10,000 neurons with its default integrator, at a usual step, near its firing
range; spikes are counted, nothing else. The ratio is to LIF, per millisecond of model time.
"patterns" counts the published firing patterns that the library has by name, and
"flops/ms" is the estimate of Izhikevich 2004 (IEEE Trans. Neural Netw. 15:1063). Noise from
threefry is most of what EscapeLIF costs.

    python benchmarks/neurons.py [--small]
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp
from _harness import header

import snnjax as snn

KEY = jax.random.key(0)
N, MS = (1000, 20.0) if "--small" in sys.argv else (10_000, 50.0)

# (model, dt in ms, range of currents, patterns by name, flops/ms)
MODELS = [
    (snn.LIF(), 0.1, (150, 500), 1, 5),
    (snn.PerfectIF(), 0.1, (100, 500), 1, None),
    (snn.CubaLIF(), 0.1, (0, 20), 1, None),
    (snn.AdaptiveLIF(), 0.1, (150, 500), 1, 10),
    (snn.GeneralisedIF(), 0.1, (50, 400), len(snn.MIHALAS_NIEBUR_PATTERNS), None),
    (snn.SpikeResponse(), 0.1, (150, 500), 1, None),
    (snn.EscapeLIF(), 0.1, (100, 500), 1, None),
    (snn.ResonateAndFire(), 0.1, (0, 1), 1, 10),
    (snn.QuadraticIF(), 0.1, (0, 300), 1, 7),
    (snn.ExponentialIF(), 0.1, (0, 500), 1, None),
    (snn.AdEx(), 0.1, (500, 1500), len(snn.ADEX_CURRENTS), None),
    (snn.Izhikevich(), 0.5, (0, 15), len(snn.IZHIKEVICH_PATTERNS), 13),
    (snn.PiecewiseLinearIF(), 0.1, (0, 5), None, None),
    (snn.McKean(), 0.1, (0, 1), None, None),
    (snn.FitzHughNagumo(), 0.1, (0, 0.6), None, 72),
    (snn.HindmarshRose(), 0.05, (1, 4), None, 120),
    (snn.MorrisLecar(), 0.1, (20, 90), None, 600),
    (snn.ReducedHodgkinHuxley(), 0.01, (0, 20), None, None),
    (snn.HodgkinHuxley(), 0.01, (0, 20), None, 1200),
]


def measure(model, dt, low, high):
    """(seconds of a run, median of 5; mean rate in Hz)."""
    drive = snn.inputs.constant(jnp.linspace(low, high, N))
    steps = round(MS / dt)
    run = jax.jit(
        lambda m, i: (
            snn.simulate(
                m, i, dt, n_steps=steps, record=snn.SpikeCount(), throw=False, key=KEY
            ).ys
        )
    )
    count = jax.block_until_ready(run(model, drive))
    assert bool(jnp.isfinite(count).all())
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(run(model, drive))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), float(count.mean()) / MS * 1000


if __name__ == "__main__":
    header(f"{N} neurons of each model, {MS:g} ms")
    head = [
        "dt ms",
        "ns/neuron/step",
        "ns/neuron/ms",
        "ratio",
        "rate Hz",
        "patterns",
        "flops/ms",
    ]
    print(f"{'model':22}" + "".join(f"{h:>16}" for h in head) + "  integrator")
    base = None
    for model, dt, (low, high), patterns, flops in MODELS:
        seconds, rate = measure(model, dt, low, high)
        per_ms = seconds / N / MS * 1e9
        base = per_ms if base is None else base
        cells = [
            f"{dt:g}",
            f"{per_ms * dt:.2f}",
            f"{per_ms:.1f}",
            f"{per_ms / base:.1f}",
            f"{rate:.1f}",
            patterns or "-",
            flops or "-",
        ]
        name, scheme = type(model).__name__, type(model.integrator).__name__
        print(f"{name:22}" + "".join(f"{c!s:>16}" for c in cells) + f"  {scheme}")
