"""Gradients through 10^5 steps of learning, in bounded memory.

The mean weight at the end of Song & Abbott's network (1000 synapses, 10 s), by A_minus and
tau_minus, at the spikes that the network fires: forwards, whose memory does not grow with the
run, and backwards, with states kept every sqrt(steps). Weights have soft bounds, so that they
are smooth in the constants, and the threshold passes no gradient. Checked in float64 against
central differences of the same rule replayed on the recorded spikes.

    python benchmarks/plasticity/gradient.py [--steps 100000] [--check]
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from snnjax.plasticity import STDP, SoftBounds, replay

DT, NAME = 0.1, "inputs->cells"
G_MAX = 0.01
START = np.array([1.05 * 0.01 * G_MAX, 20.0])  # A_minus, tau_minus (ms)


def rule_of(constants):
    """STDP whose depression has these constants."""
    bounds = SoftBounds(0.0, G_MAX, 0.5)
    return STDP(0.01 * G_MAX, constants[0], 20.0, constants[1], bounds)


def network(n=1000, rate_hz=15.0):
    """(network, state) whose spikes pass no gradient."""
    learning = rule_of(START)
    net, _, state = snn.networks.song_abbott(
        n, key=jax.random.key(0), rate_hz=rate_hz, learning=learning
    )
    where = lambda net: net.populations["cells"].neuron.threshold.surrogate
    return eqx.tree_at(where, net, snn.Triangle(1e-9)), state


def learning(net, constants):
    """The network with these constants."""
    return eqx.tree_at(lambda net: net.synapses[NAME].learning, net, rule_of(constants))


def forwards(constants, net, state, n_steps):
    """Mean weight at the end, in parts of the largest, by `simulate`."""
    record = snn.SpikeCount()
    sol = snn.simulate(
        learning(net, constants), {}, DT, n_steps=n_steps, state=state, record=record,
        throw=False,
    )  # fmt: skip
    return sol.final.learned[NAME].weight.mean() / G_MAX


def backwards(constants, net, state, n_steps, remat="sqrt"):
    """The same by `unroll`, to be differentiated backwards."""
    none = {"cells": jnp.zeros((n_steps, 1), jnp.result_type(float))}
    rolled = snn.unroll(learning(net, constants), none, DT, state=state.model, remat=remat)
    return rolled.state.learned[NAME].weight.mean() / G_MAX


def check(net, state, n_steps):
    """(gradient forwards, backwards, by central differences on the recorded spikes)."""
    run = (net, state, n_steps)
    jitted = lambda f: eqx.filter_jit(f)(jnp.asarray(START), *run)
    forward, backward = jitted(jax.jacfwd(forwards)), jitted(jax.grad(backwards))
    spikes = np.asarray(snn.simulate(net, {}, DT, n_steps=n_steps, state=state).ys)
    n_pre = net.populations["inputs"].size
    w = np.asarray(net.synapses[NAME].weight).reshape(n_pre, 1)

    @jax.jit
    def end(constants):
        pre, post = spikes[:, :n_pre], spikes[:, n_pre:]
        return replay(rule_of(constants), pre, post, DT, weights=w).weights.mean() / G_MAX

    slopes = []
    for k, h in enumerate(1e-4 * START):
        step = h * np.eye(2)[k]
        slopes.append(float(end(START + step) - end(START - step)) / (2 * h))
    return np.asarray(forward), np.asarray(backward), np.array(slopes)


def measure(name, function, net, state, n_steps):
    """Print seconds of a second run, bytes beside its arguments, and the answer."""
    arrays, static = eqx.partition((net, state), eqx.is_array)
    of = lambda constants, arrays: function(
        constants, *eqx.combine(arrays, static), n_steps
    )
    compiled = jax.jit(of).lower(jnp.asarray(START), arrays).compile()
    temporary = compiled.memory_analysis().temp_size_in_bytes / 1e6
    answer = jax.block_until_ready(compiled(jnp.asarray(START), arrays))
    start = time.process_time()
    jax.block_until_ready(compiled(jnp.asarray(START), arrays))
    seconds = time.process_time() - start
    print(f"{name:34} {seconds:9.2f} {temporary:10.2f}  {np.asarray(answer)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--check", action="store_true", help="nothing but the check")
    asked = parser.parse_args()
    print(f"snnjax {snn.__version__}, jax {jax.__version__}, {jax.default_backend()}")
    with jax.enable_x64(True):
        net, state = network()
        forward, backward, slopes = check(net, state, 5000)
        np.testing.assert_allclose(forward, backward, rtol=1e-9)
        np.testing.assert_allclose(forward, slopes, rtol=1e-5)
        print(
            f"float64, 5000 steps: {forward} forwards and backwards, differences {slopes}"
        )
    if not asked.check:
        net, state = network()
        print(f"{asked.steps} steps, float32  {'CPU s':>18} {'temp. MB':>10}")
        run = net, state, asked.steps
        measure("value", forwards, *run)
        measure("forwards, both constants", jax.jacfwd(forwards), *run)
        measure("backwards, remat='sqrt'", jax.grad(backwards), *run)
        whole = lambda *a: backwards(*a, remat=None)
        arrays, static = eqx.partition((net, state), eqx.is_array)
        of = lambda c, a: jax.grad(whole)(c, *eqx.combine(a, static), asked.steps)
        kept = jax.jit(of).lower(jnp.asarray(START), arrays).compile().memory_analysis()
        print(f"{'backwards, all kept (not run)':44} {kept.temp_size_in_bytes / 1e6:10.2f}")
