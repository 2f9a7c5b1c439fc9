"""Delayed XOR: a task that needs a memory longer than that of a neuron."""

import itertools

import numpy as np

from snnjax.core import checks
from snnjax.datasets.split import Split, cut, three_sizes


def delayed_xor(
    seed: int = 0,
    n_train: int = 1000,
    n_validation: int = 250,
    n_test: int = 250,
    *,
    cue: float = 50.0,
    delay: float = 200.0,
    response: float = 50.0,
    dt: float = 1.0,
    n_cues: int = 2,
    n_channels: int = 10,
    rate_hz: float = 100.0,
    background_hz: float = 0.0,
    poisson: bool = True,
    go: bool = False,
) -> Split:
    r"""Binary cues with delays between them; the label is their XOR (of more: the parity).

    In time: cue | delay | cue | ... | cue | response; with `go`, another delay follows the
    last cue, and a go cue fills the response. A cue is a bit: one of two groups of
    `n_channels` inputs is active for it, the first for 0, the second for 1. All cues share
    these inputs, so that only their times tell them apart, and all bits are equally frequent.

    - `cue`, `delay`, `response`: ms, whole steps of `dt` (ms).
    - `rate_hz`: Hz, of an active input. `background_hz`: of all inputs at all times.
    - `poisson`: spikes by chance, with probability $1 - e^{-r \, dt}$ in a step; otherwise
      regular, the same for all active inputs.

    Each part is (spikes [n, time, channels], labels [n]), float32 and int32; the channels are
    those of bit 0, those of bit 1 and, with `go`, one more.

    Judge the outputs in the response alone, the last `response / dt` steps. There a
    feed-forward network of LIF neurons with $\tau_m$ = delay / 10 is at chance, 50 %: what an
    earlier cue left has decayed to $e^{-10}$, and one bit alone says nothing of their XOR.
    (A mean over all steps also sees the first cue; that adds a function of each bit alone,
    which can be right for three of the four pairs, 75 %.)
    """
    name = "delayed_xor"
    sizes = three_sizes(name, n_train, n_validation, n_test)
    n_bits = checks.count(n_cues, f"{name}.n_cues")
    width = checks.count(n_channels, f"{name}.n_channels")
    checks.positive(dt, f"{name}.dt", "ms")
    checks.at_least(background_hz, 0, f"{name}.background_hz", "Hz")
    checks.at_least(rate_hz, 0, f"{name}.rate_hz", "Hz")
    parts = dict(cue=cue, delay=delay, response=response)
    steps = {k: checks.whole_steps(ms, dt, f"{name}.{k}") for k, ms in parts.items()}
    rng = np.random.default_rng(seed)
    pairs = np.array(list(itertools.product([0, 1], repeat=n_bits)))
    bits = pairs[rng.permutation(np.arange(sum(sizes)) % len(pairs))]

    period = steps["cue"] + steps["delay"]
    n_steps = n_bits * period - (0 if go else steps["delay"]) + steps["response"]
    on = np.zeros((sum(sizes), n_steps, 2 * width + go), bool)
    for i, bit in enumerate(bits.T):
        during = slice(i * period, i * period + steps["cue"])
        on[:, during, : 2 * width] = np.repeat(bit[:, None] == [0, 1], width, 1)[:, None]
    if go:
        on[:, n_steps - steps["response"] :, -1] = True

    expected = rate_hz * dt / 1000
    if poisson:
        spikes = on & _coin(rng, on.shape, expected)
    else:  # counted from the start of the cue, so that it tells nothing of earlier ones
        count = np.floor(np.arange(period + 1) * expected + 1e-9)
        fires = np.diff(count)[np.arange(n_steps) % period] > 0
        spikes = on & fires[:, None]
    if background_hz:
        spikes |= _coin(rng, on.shape, background_hz * dt / 1000)
    labels = (bits.sum(1) % 2).astype(np.int32)
    return cut(spikes.astype(np.float32), labels, sizes)


def _coin(rng, shape, expected) -> np.ndarray:
    return rng.random(shape, np.float32) < -np.expm1(-expected)
