"""The rule arena: supervised rules on the same two tasks, over 20 seeds, vmapped.

Association: 400 Poisson inputs at 5 Hz for 400 ms, one LIF neuron, a target train of 5
spikes; the score is the correlation of output and target (Schreiber, sigma 2 ms).
Classification: 10 patterns of two classes, jittered by 2 ms; the score is the accuracy on
unseen copies. A rule with target trains has one for each class, and the class is the one whose
train is nearer; the tempotron fires for one class only. While it learns, a trial counts as right
where the correlation with its train is above 0.5.

    python benchmarks/rules.py [--small]
"""

import sys
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _harness import header

import snnjax as snn
from snnjax import plasticity as p

SMALL = "--small" in sys.argv
SEEDS, EPOCHS, COPIES, ROUNDS = (2, 3, 1, 2) if SMALL else (20, 200, 4, 50)
DT, STEPS = 1.0, 200

# mV and pA on 1 nS: 20 pA hold the neuron at its threshold, an input is some 2 pA.
THRESHOLD = snn.Threshold(20.0, snn.SuperSpike(0.3))
CELL = snn.LIF(10.0, 1.0, 0.0, threshold=THRESHOLD, v_reset=0.0, t_ref=2.0)
CELLS = snn.Population(CELL, 1, snn.Exponential(5.0))
STILL = p.STDP(0.0, 0.0, bounds=p.NoBounds())  # to test without learning

RULES = {
    "ReSuMe": p.ReSuMe(0.05, 0.5),
    "DL-ReSuMe": p.DLReSuMe(0.05, 0.5),
    "SPAN": p.SPAN(0.02),
    "PSD": p.PSD(0.5),
    "Chronotron E": p.ChronotronE(0.5),
    "Chronotron I": p.ChronotronI(0.2),
    "likelihood": p.LikelihoodGradient(3.0, 0.25, 0.05, 1.0),
}


class Row(NamedTuple):
    """Of a rule on a task: one value a seed, and what the run took."""

    score: np.ndarray
    epochs: np.ndarray  # until a score of 0.95; nan where it never came
    spikes: np.ndarray  # of the output, in a trial at the end
    seconds: float
    temporary: int  # bytes


def run(one, *data) -> tuple:
    """(`one` for all seeds, seconds, temporary bytes)."""
    compiled = jax.jit(jax.vmap(one)).lower(*data).compile()
    start = time.perf_counter()
    result = jax.block_until_ready(compiled(*data))
    return (
        result,
        time.perf_counter() - start,
        compiled.memory_analysis().temp_size_in_bytes,
    )


def descend(x, y, w, epochs):
    """Surrogate BPTT of the van Rossum distance, by Adam: as `learn_trials`, in batches."""
    optimizer = optax.adam(0.3)

    def loss(w):
        result = jax.vmap(
            lambda x, y: snn.learn_trials(
                STILL, CELLS, x[None], y[None], DT, epochs=1, weights=w
            )
        )(x, y)
        time_first = lambda s: s.reshape(len(x), -1, 1).swapaxes(0, 1)
        distance = snn.van_rossum_loss(time_first(result.spikes), time_first(y), dt=DT)
        return distance, (result.correlation[:, 0, 0], result.spikes[:, 0, 0])

    def epoch(carry, _):
        w, state = carry
        (_, told), gradient = jax.value_and_grad(loss, has_aux=True)(w)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(w, change), state), told

    (w, _), (r, spikes) = jax.lax.scan(epoch, (w, optimizer.init(w)), length=epochs)
    return snn.Trials(w, r, spikes)


def learner(name):
    """`learn(x, y, w, epochs, label)` of the rule called `name`."""
    if name == "surrogate BPTT":
        return lambda x, y, w, epochs, label: descend(x, y, w, epochs)
    rule = p.Tempotron(0.5, 10.0, 5.0) if name == "tempotron" else RULES[name]
    more = lambda label: dict(label=label) if name == "tempotron" else {}
    return lambda x, y, w, epochs, label: snn.learn_trials(
        rule, CELLS, x, y, DT, epochs=epochs, weights=w, **more(label)
    )


def weights(seed, n):
    """Such that the neuron fires now and then before it has learned."""
    return np.random.default_rng(seed).uniform(0, 1600 / n, (n, 1)).astype(np.float32)


def stacked(make):
    return [np.stack(x) for x in zip(*(make(seed) for seed in range(SEEDS)), strict=True)]


def associate(name) -> Row:
    """How well the rule learns one train for one pattern."""

    def make(seed):
        task = snn.datasets.spike_pattern_association(seed, dt=DT)
        return task.inputs, task.targets, weights(seed, 400)

    learn = learner(name)
    one = lambda x, y, w: learn(x, y, w, EPOCHS, None)
    result, *cost = run(one, *stacked(make))
    r = np.asarray(result.correlation[:, :, 0, 0])
    spikes = np.asarray(result.spikes[:, -1]).sum((1, 2, 3))
    return Row(r[:, -1], first(r >= 0.95), spikes, *cost)


def jittered(rng, patterns, copies, sigma=2.0):
    """`copies` of each pattern, every spike moved by a normal number of `sigma` ms."""
    n, steps, _ = patterns.shape
    out = np.zeros((copies * n, *patterns.shape[1:]), np.float32)
    k, t, i = np.nonzero(patterns)
    for c in range(copies):
        moved = np.rint(t + rng.normal(0, sigma / DT, len(t))).astype(int)
        out[c * n + k, np.clip(moved, 0, steps - 1), i] = 1
    return out


def classify(name) -> Row:
    """How well the rule tells jittered patterns of two classes apart."""

    def make(seed):
        rng = np.random.default_rng(1000 + seed)
        patterns = (rng.random((10, STEPS, 200)) < 0.005 * DT).astype(np.float32)
        label = np.tile(np.arange(10) % 2, COPIES).astype(np.float32)
        trains = np.zeros((2, STEPS, 1), np.float32)
        trains[0, [60, 120]] = trains[1, [90, 150]] = 1
        seen, unseen = (jittered(rng, patterns, COPIES) for _ in range(2))
        return seen, unseen, trains[label.astype(int)], label, trains, weights(seed, 200)

    learn = learner(name)

    def one(x, unseen, y, label, trains, w):
        learned = learn(x, y, w, ROUNDS, label)
        test = lambda x, y: snn.learn_trials(
            STILL, CELLS, x, y, DT, epochs=1, weights=learned.weights
        )
        near = [test(unseen, jnp.broadcast_to(train, y.shape)) for train in trains]
        fired = near[0].spikes[0].any((1, 2))
        of_second = near[1].correlation[0, :, 0] > near[0].correlation[0, :, 0]
        chosen = fired if name == "tempotron" else of_second
        right = learned.correlation[..., 0] > 0.5
        if name == "tempotron":
            right = learned.spikes.any((2, 3)) == label
        spikes = near[0].spikes.sum() / len(unseen)
        return jnp.mean(chosen == label), right.mean(1), spikes

    (score, right, spikes), *cost = run(one, *stacked(make))
    return Row(np.asarray(score), first(right >= 0.95), np.asarray(spikes), *cost)


def first(reached):
    """The first epoch, from 1, at which it is so; nan if there is none."""
    reached = np.asarray(reached)
    return np.where(reached.any(1), reached.argmax(1) + 1.0, np.nan)


def line(name: str, row: Row) -> str:
    low, median, high = np.quantile(row.score, (0.25, 0.5, 0.75))
    n = np.isfinite(row.epochs).sum()
    epochs = f"{np.nanmedian(row.epochs):.0f} ({n})" if n else "-"
    return (
        f"{name:16} {median:6.3f} [{low:.3f}, {high:.3f}] {epochs:>13} "
        f"{row.spikes.mean():7.1f} {row.seconds:8.2f} {row.temporary / 2**20:9.2f}"
    )


if __name__ == "__main__":
    header("Supervised rules")
    trained = [*RULES, "surrogate BPTT"]
    tasks = {
        f"association, correlation after {EPOCHS} epochs": (associate, trained),
        f"10 jittered patterns, accuracy after {ROUNDS} epochs": (
            classify,
            ["tempotron", *trained],
        ),
    }
    for title, (task, names) in tasks.items():
        print(f"\n{title}; median [quartiles] over {SEEDS} seeds, which run as one")
        print(f"{'':16} {'score':>23} epochs to .95  spikes  seconds temp. MB")
        for name in names:
            print(line(name, task(name)), flush=True)
