r"""The work that every side does: inputs, weights and cotangents, drawn once from one seed.

The unit is the same everywhere: $u_t = 0.9 v_{t-1} + x_t$, $s_t = [u_t \ge 1]$,
$v_t = u_t - s_t$ with the reset not differentiated, surrogate $ds/du = e^{-2 |u - 1|}$. The
readout is $r_t = 0.9 r_{t-1} + i_t$, and the logits are its mean over time. No biases.

Only NumPy is needed here, so that every side can import it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

# With this seed no potential of W3 comes within 6e-6 of the threshold, so that rounding moves
# no spike there: recurrence would make a different run of one that moved.
SEED = 20_069
DECAY = 0.9
LEARNING_RATE = 1e-3  # of Adam
MEAN_SPIKES = 0.1  # what the loss of W1 asks for


class Workload(NamedTuple):
    """One row: shapes, and what is to be reached against the best peer."""

    title: str
    kind: str  # "linear", "dense", "recurrent", "conv" or "lif"
    shape: tuple[int, ...]  # of the input, [time, batch, ...]
    weights: dict[str, tuple[float, tuple[int, ...]]]  # gain and shape, outputs first
    classes: int = 0
    density: float = 0.0  # of input spikes
    reach: float | None = None  # time of snnjax by that of the best peer
    first_s: float | None = (
        None  # seconds that the first call may take, compilation included
    )

    @property
    def trains(self) -> bool:
        """Whether a call is a whole training step, with Adam."""
        return self.classes > 0


def _linear(n, reach):
    return Workload(
        f"linear {n} -> {n} + LIF, 500 steps, batch 16",
        "linear",
        (500, 16, n),
        {"w1": (2, (n, n))},
        density=0.1,
        reach=reach,
    )


def _dense(n_steps, **reach):
    return Workload(
        f"700-256-256-20, {n_steps} steps, batch 128, 2 % of inputs spike",
        "dense",
        (n_steps, 128, 700),
        {"w1": (4, (256, 700)), "w2": (2, (256, 256)), "w3": (1, (20, 256))},
        classes=20,
        density=0.02,
        **reach,
    )


WORKLOADS = {
    "W1-512": _linear(512, 0.42),
    "W1-2048": _linear(2048, 0.5),
    "W2": _dense(100, reach=0.7, first_s=3.0),
    "W3": Workload(
        "700-256 recurrent-20, 100 steps, batch 128, 2 % of inputs spike",
        "recurrent",
        (100, 128, 700),
        {"w1": (4, (256, 700)), "recurrent": (0.5, (256, 256)), "w2": (1, (20, 256))},
        classes=20,
        density=0.02,
        reach=0.75,
    ),
    "W4": Workload(
        "1x28x28, conv 16@5, pool, conv 32@5, pool, 10; 25 steps, batch 64",
        "conv",
        (25, 64, 1, 28, 28),
        {
            "conv1": (4, (16, 1, 5, 5)),
            "conv2": (3, (32, 16, 5, 5)),
            "w1": (3, (10, 512)),
        },
        classes=10,
        density=0.1,
        reach=0.75,
    ),
    "W5": Workload(
        "LIF alone, 1000 steps x 64 x 1024", "lif", (1000, 64, 1024), {}, reach=0.6
    ),
    "memory": _dense(1000),
}


def write(name: str, path: Path) -> None:
    """Draw the arrays of workload `name` into an npz; spikes are stored as booleans."""
    work = WORKLOADS[name]
    rng = np.random.default_rng(SEED)
    arrays = {}
    if work.kind == "lif":
        arrays["x"] = rng.uniform(0, 0.4, work.shape).astype(np.float32)
        arrays["cotangent"] = rng.uniform(-0.5, 0.5, work.shape).astype(np.float32)
    else:
        arrays["x"] = rng.random(work.shape, np.float32) < work.density
    for weight, (gain, shape) in work.weights.items():
        scale = gain / np.prod(shape[1:]) ** 0.5
        arrays[weight] = (scale * rng.standard_normal(shape)).astype(np.float32)
    if work.trains:
        arrays["labels"] = rng.integers(0, work.classes, work.shape[1])
    np.savez(path, **arrays)


def channels_last(name: str, weight: np.ndarray) -> np.ndarray:
    """A weight of W4, outputs first and channels before pixels, for images [..., h, w, c]."""
    if name == "w1":  # the pixels of one channel follow one another; here, the channels
        return weight.reshape(-1, 32, 4, 4).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return weight.transpose(2, 3, 1, 0)


def channels_first(name: str, weight: np.ndarray) -> np.ndarray:
    """The inverse of `channels_last`."""
    weight = np.asarray(weight)
    if name == "w1":
        return weight.reshape(-1, 4, 4, 32).transpose(0, 3, 1, 2).reshape(len(weight), -1)
    return weight.transpose(3, 2, 0, 1)
