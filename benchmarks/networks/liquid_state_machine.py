"""A liquid state machine: a linear readout tells what came in, now and before.

Sequences of two spike patterns, jittered; from the spikes of the last 50 ms a logistic
regression tells the pattern of these 50 ms, of those before, and so on. The same from the
spikes of the inputs is the baseline: they have no memory.
"""

import jax
import numpy as np
from sklearn.linear_model import LogisticRegression

import snnjax as snn

TRIALS, TRAIN, LENGTH, WINDOW, DT, INPUTS = 400, 300, 4, 50.0, 0.5, 4
STEPS = round(WINDOW / DT)


def sequences(rng, rate_hz=40.0, jitter=1.0):
    """(spikes [trials, steps, inputs], pattern [trials, LENGTH]); `jitter` in ms."""
    patterns = rng.random((2, STEPS, INPUTS)) < rate_hz * DT / 1000
    which = rng.integers(0, 2, (TRIALS, LENGTH))
    spikes = patterns[which].reshape(TRIALS, -1, INPUTS)
    trial, step, line = np.nonzero(spikes)
    step = np.rint(step + rng.normal(0, jitter / DT, len(step))).astype(int)
    moved = np.zeros(spikes.shape)
    moved[trial, step.clip(0, LENGTH * STEPS - 1), line] = 1
    return moved, which


def accuracy(features, which):
    """Of a linear readout, for the pattern of the last window and for those before."""
    scores = []
    for label in which.T[::-1]:
        readout = LogisticRegression(C=0.03, max_iter=3000)
        readout.fit(features[:TRAIN], label[:TRAIN])
        scores.append(readout.score(features[TRAIN:], label[TRAIN:]))
    return scores


if __name__ == "__main__":
    print("share correct of the last, last but one, .. pattern: liquid | inputs alone")
    for seed in range(3):
        spikes, which = sequences(np.random.default_rng(seed))
        liquid, w_in = snn.networks.liquid_state_machine(
            n_inputs=INPUTS, key=jax.random.key(seed)
        )
        states = snn.networks.liquid_states(liquid, w_in, spikes, dt=DT, window=WINDOW)
        ours = accuracy(np.asarray(states[:, -1]), which)
        baseline = accuracy(spikes[:, -STEPS:].sum(1), which)
        assert ours[0] > 0.9 and ours[1] > 0.8
        print(*(f"{x:.2f}" for x in ours), "|", *(f"{x:.2f}" for x in baseline), flush=True)
