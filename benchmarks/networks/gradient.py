"""The gradient of CUBA's firing rate with respect to each of its 320,000 weights.

Checked in float64 against the dense form (a matrix of all pairs), then timed in float32: the
forward run, the gradient with a surrogate that reaches every neuron, and with one of compact
support, which passes gradient through the neurons near threshold only. Surrogate gradients
of recurrent networks grow with the duration, which is printed too.

    python benchmarks/networks/gradient.py [--check]
"""

import statistics
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn

DT = 0.1
WIDE, NARROW = snn.SuperSpike(1.0), snn.Triangle(0.3)


def network(surrogate, operator="auto", n=4000):
    """(CUBA with weights of their own and this surrogate, state), the same each time."""
    net, _, state = snn.networks.cuba(n, key=jax.random.key(0))
    cells = eqx.tree_at(
        lambda p: p.neuron.threshold.surrogate, net.populations["cells"], surrogate
    )
    projections = [
        snn.Projection(
            source, "cells", snn.connect.PairwiseBernoulli(80 / n),
            snn.connect.Constant(weight), receptor=receptor, operator=operator,
        )
        for source, weight, receptor in (("exc", 1.62, "ampa"), ("inh", -9.0, "gaba"))
    ]  # fmt: skip
    return snn.Network(dict(cells=cells), projections, key=jax.random.key(1)), state


def mean_rate(weights, net, state, n_steps):
    """Hz, as a function of the weights of every synapse."""
    net = eqx.tree_at(weights_of, net, weights)
    sol = snn.simulate(
        net, {}, DT, n_steps=n_steps, state=state, record=snn.SpikeCount(), throw=False
    )
    return sol.ys.mean() / (n_steps * DT / 1000)


def weights_of(net):
    return [s.weight for s in net.synapses.values()]


def check(n_steps=200):
    """In float64, event by event against the dense form."""
    with jax.enable_x64(True):
        found = []
        for operator in ("sparse", "dense"):
            net, state = network(WIDE, operator)
            gradient = jax.jit(jax.grad(mean_rate), static_argnums=3)
            found.append(gradient(weights_of(net), net, state, n_steps))
        for sparse, dense in zip(*found, strict=True):
            assert sparse.dtype == jnp.float64
            np.testing.assert_allclose(
                sparse, dense, rtol=1e-8, atol=1e-12 * abs(dense).max()
            )
    print(f"event by event = dense form in float64, {n_steps} steps: to 1e-8")


def measure(name, function, *args, repeat=5):
    """Seconds of a run, after a first one; prints memory beside them."""
    start = time.perf_counter()
    compiled = jax.jit(function, static_argnums=3).lower(*args).compile()
    compile_s = time.perf_counter() - start
    value = jax.block_until_ready(compiled(*args[:3]))
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*args[:3]))
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times)
    temporary = compiled.memory_analysis().temp_size_in_bytes / 1e6
    print(f"{name:42} {compile_s:9.2f} {seconds * 1e3:9.1f} {temporary:9.1f}", end="")
    return seconds, value


def main():
    device = jax.devices()[0].platform
    print(f"snnjax {snn.__version__}, jax {jax.__version__}, {device}, float32, dt {DT} ms")
    check()
    if "--check" in sys.argv:
        return
    n_steps = 1000
    print(f"{'100 ms of CUBA':42} {'compile s':>9} {'median ms':>9} {'temp. MB':>9}")
    net, state = network(WIDE)
    forward, rate = measure("forward", mean_rate, weights_of(net), net, state, n_steps)
    print(f"  {float(rate):.2f} Hz")
    n_synapses = sum(s.n_synapses for s in net.synapses.values())
    for surrogate in (WIDE, NARROW):
        net, state = network(surrogate)
        name = f"gradient, {type(surrogate).__name__}"
        args = weights_of(net), net, state, n_steps
        seconds, _ = measure(name, jax.value_and_grad(mean_rate), *args)
        print(f"  {seconds / forward:.1f} x forward", end="")
        if surrogate is WIDE:
            moved = 12 * n_synapses * n_steps / 1e9  # index, weight and buffer of a synapse
            print(f"; reads {moved:.1f} GB at {moved / seconds:.1f} GB/s", end="")
        print()
    with jax.enable_x64(True):  # it leaves the range of float32 within 100 ms
        print("largest of |d rate / d weight| by duration, Hz/mV, in float64:")
        net, state = network(WIDE)
        gradient = jax.jit(jax.grad(mean_rate), static_argnums=3)
        for n_steps in (100, 200, 400, 800):
            found = gradient(weights_of(net), net, state, n_steps)
            largest = max(float(jnp.abs(g).max()) for g in found)
            print(f"  {n_steps * DT:5.0f} ms: {largest:.2e}")


if __name__ == "__main__":
    main()
