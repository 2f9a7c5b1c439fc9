"""Constants of ReSuMe that are learned, by descent through the learning that they cause.

400 Poisson inputs at 5 Hz, one LIF neuron, a target train of 5 spikes in 400 ms. The loss is
the van Rossum distance of output and target over `EPOCHS` presentations, from the first on,
averaged over patterns. Its slope in log a, log A and log tau is that of the loss blurred by a
normal law, from pairs of runs on both sides: the exact one, through surrogate spikes and all
resets and updates, leaves the range of float32. The outcome is the correlation after as
many presentations of patterns that were not seen (Schreiber, sigma 2 ms), beside the
constants of the paper, as they are and scaled to these weights.

    python benchmarks/plasticity/meta_learning.py [--patterns 8] [--steps 40]
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import snnjax as snn

DT, EPOCHS, N = 1.0, 6, 400
CELL = snn.LIF(
    10.0, 1.0, 0.0, threshold=snn.Threshold(20.0, snn.SuperSpike(0.3)), v_reset=0.0,
    t_ref=2.0,
)  # fmt: skip
CELLS = snn.Population(CELL, 1, snn.Exponential(5.0))
PAPER = np.array([0.01, 0.05, 5.0])  # a, A (pA), tau (ms)
# Weights of about 2 pA: those of the paper are of order 0.1, in units of its own.
SCALED = PAPER * np.array([20.0, 20.0, 1.0])


def tasks(first: int, n: int, duration: float = 400.0):
    """(inputs, targets, first weights) of `n` patterns."""
    made = [
        snn.datasets.spike_pattern_association(k, dt=DT) for k in range(first, first + n)
    ]
    steps = int(duration / DT)
    weights = [
        np.random.default_rng(k).uniform(0, 1600 / N, (N, 1))
        for k in range(first, first + n)
    ]
    cut = lambda x: np.asarray(x)[:, :steps]
    return (
        np.stack([cut(t.inputs) for t in made]),
        np.stack([cut(t.targets) for t in made]),
        np.stack(weights),
    )


def learn(constants, x, y, w, epochs):
    """Presenting one pattern, `epochs` times."""
    rule = snn.plasticity.ReSuMe(*constants)
    return snn.learn_trials(rule, CELLS, x, y, DT, epochs=epochs, weights=w)


def distance(log_constants, x, y, w, epochs=EPOCHS):
    """Van Rossum distance over all presentations of all patterns."""

    def one(x, y, w):
        spikes = learn(jnp.exp(log_constants), x, y, w, epochs).spikes[:, 0]
        return snn.van_rossum_loss(spikes.swapaxes(0, 1), jnp.swapaxes(
            jnp.broadcast_to(y, spikes.shape), 0, 1), dt=DT)  # fmt: skip

    return jax.vmap(one)(x, y, w).mean()


def correlations(constants, x, y, w, epochs=EPOCHS):
    """With the target, of the last presentation of each pattern."""
    one = lambda x, y, w: learn(constants, x, y, w, epochs).correlation[-1, 0, 0]
    return np.asarray(jax.jit(jax.vmap(one))(x, y, w))


def meta_learn(data, steps, start=SCALED, epochs=EPOCHS, pairs=8, width=0.2, rate=0.1):
    """(constants, distance of each step): Adam on the slope of the blurred distance."""
    optimizer = optax.adam(rate)

    @jax.jit
    def slope(log_constants, key):
        aside = width * jax.random.normal(key, (pairs, 3), log_constants.dtype)
        here = lambda c: distance(c, *data, epochs)
        up, down = (jax.vmap(here)(log_constants + s * aside) for s in (1, -1))
        gradient = ((up - down)[:, None] * aside).mean(0) / (2 * width**2)
        return (up + down).mean() / 2, gradient

    log_constants = jnp.log(jnp.asarray(start))
    state, course = optimizer.init(log_constants), []
    for key in jax.random.split(jax.random.key(0), steps):
        value, gradient = slope(log_constants, key)
        change, state = optimizer.update(gradient, state)
        log_constants = optax.apply_updates(log_constants, change)
        course.append(float(value))
    return np.exp(np.asarray(log_constants)), course


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patterns", type=int, default=8)
    parser.add_argument("--steps", type=int, default=40)
    asked = parser.parse_args()
    began = time.perf_counter()
    found, course = meta_learn(tasks(0, asked.patterns), asked.steps)
    print(
        f"snnjax {snn.__version__}, jax {jax.__version__}, {asked.patterns} patterns, "
        f"{asked.steps} steps in {time.perf_counter() - began:.0f} s: distance "
        f"{course[0]:.3f} to {course[-1]:.3f}"
    )
    held_out = tasks(1000, 40)
    print(f"{'':10} {'a':>8} {'A':>8} {'tau ms':>7}  correlation on 40 other patterns")
    for name, constants in (("paper", PAPER), ("scaled", SCALED), ("learned", found)):
        r = correlations(constants, *held_out)
        shown = " ".join(f"{x:8.3g}" for x in constants)
        print(f"{name:10} {shown}  {r.mean():.3f} ({r.std(ddof=1) / len(r) ** 0.5:.3f})")
