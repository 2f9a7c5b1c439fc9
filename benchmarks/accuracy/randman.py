"""Randman: ten classes of smooth random manifolds of spike times, by one hidden layer of 128.

Manifolds of dimension 1 and 2 for 100 inputs, of which each fires once: only the times tell
the classes apart. 8000 samples to train on, 1000 to choose the epoch by, 1000 to test on; the
seed draws manifolds, samples and weights. To be 95 % right. Zenke & Vogels 2021, Neural
Comput. 33:899. Beside it, logistic regression that is given the times as numbers: to that the
classes are easy; what a spiking network has to learn is to tell times.

    python benchmarks/accuracy/randman.py [seeds]
"""

import sys
import time

import jax
import numpy as np
import optax
from sklearn.linear_model import LogisticRegression

import snnjax as snn

SEEDS = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
EPOCHS, BATCH, STEPS, UNITS, HIDDEN = 20, 100, 50, 100, 128
ENCODE = snn.SpikeTimeCode(STEPS)


def network(key):
    keys = jax.random.split(key)
    threshold = snn.Threshold(1.0, snn.SuperSpike(beta=5.0))
    return snn.Sequential(
        snn.Linear(UNITS, HIDDEN, key=keys[0], gain=4.0),
        snn.LIF.from_decay(0.9, threshold=threshold),
        snn.Linear(HIDDEN, 10, key=keys[1]),
        snn.LeakyIntegrator(tau_m=10.0),
    )


def score(outputs, labels):
    return snn.accuracy(outputs, labels, snn.max_over_time)


def train(dimension, seed):
    data = snn.datasets.randman(seed, dimension=dimension, n_units=UNITS)
    net_key, fit_key = jax.random.split(jax.random.key(seed))
    n_updates = EPOCHS * (len(data.train[1]) // BATCH)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.005, n_updates))
    net, history = snn.fit(
        network(net_key), data.train, validation=data.validation, encode=ENCODE,
        optimizer=optimizer, key=fit_key, where=["*weight", "*bias"],
        loss=snn.max_cross_entropy, score=score, epochs=EPOCHS, batch_size=BATCH,
        progress=False,
    )  # fmt: skip
    test = snn.evaluate(
        net, data.test, encode=ENCODE, loss=snn.max_cross_entropy, score=score
    )
    by_hand = np.mean(np.max(test.outputs, 0).argmax(-1) == data.test[1])
    np.testing.assert_allclose(test.score, by_hand, atol=1e-6)
    linear = LogisticRegression(max_iter=300).fit(*data.train).score(*data.test)
    return history, float(test.score), linear


def main():
    print(f"randman; snnjax {snn.__version__}, jax {jax.__version__}, {jax.devices()[0]}")
    print(f"{EPOCHS} epochs of batches of {BATCH}, {STEPS} steps, float32")
    spread = lambda x: f"{100 * np.mean(x):.2f} +- {100 * np.std(x, ddof=len(x) > 1):.2f} %"
    missed = []
    for dimension in (1, 2):
        tests, baselines = [], []
        for seed in SEEDS:
            start = time.perf_counter()
            history, test, linear = train(dimension, seed)
            tests.append(test)
            baselines.append(linear)
            print(
                f"dimension {dimension}, seed {seed}: validation "
                f"{100 * history.validation_score.max():.1f} % in epoch "
                f"{history.best_epoch}, test {100 * test:.1f} %, linear "
                f"{100 * linear:.1f} %, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
        print(
            f"dimension {dimension}: test {spread(tests)} over {len(tests)} seeds; linear "
            f"{spread(baselines)}"
        )
        missed += [dimension] if np.mean(tests) < 0.95 else []
    if missed:
        sys.exit(f"below 95 % in dimension {missed}")


if __name__ == "__main__":
    main()
