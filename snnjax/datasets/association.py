"""Spike patterns to be associated with given output spikes."""

from typing import NamedTuple

import numpy as np

from snnjax.core import checks


class Association(NamedTuple):
    """Input patterns and the output spikes that they are to cause."""

    inputs: np.ndarray  # [n, time, n_inputs], 0.0 or 1.0
    targets: np.ndarray  # [n, time, n_outputs], 0.0 or 1.0
    target_times: np.ndarray  # ms, [n, n_outputs, n_spikes]; the ends of the targets' steps


def spike_pattern_association(
    seed: int = 0,
    n_patterns: int = 1,
    n_inputs: int = 400,
    n_outputs: int = 1,
    *,
    rate_hz: float = 5.0,
    duration: float = 400.0,
    n_spikes: int = 5,
    min_interval: float = 20.0,
    earliest: float = 0.0,
    dt: float = 1.0,
) -> Association:
    r"""Fixed Poisson patterns, each with a target train of every output, drawn by `seed`.

    - `rate_hz`: Hz, of each input: a spike with probability $1 - e^{-r \, dt}$ in a step.
    - `duration`: ms. `dt`: ms, the step; it divides the times here.
    - `n_spikes`: of a target train. All trains whose intervals are at least `min_interval`
      (ms) and whose first step begins at `earliest` (ms) or later are equally likely.

    All are float32. The frozen patterns of Ponulak & Kasinski 2010, Neural Comput. 22:467,
    and of Florian 2012, PLoS ONE 7:e40233.
    """
    name = "spike_pattern_association"
    sizes = dict(
        n_patterns=n_patterns, n_inputs=n_inputs, n_outputs=n_outputs, n_spikes=n_spikes
    )
    for argument, n in sizes.items():
        checks.count(n, f"{name}.{argument}")
    checks.positive(dt, f"{name}.dt", "ms")
    checks.at_least(rate_hz, 0, f"{name}.rate_hz", "Hz")
    n_steps = checks.whole_steps(duration, dt, f"{name}.duration")
    gap = max(1, checks.whole_steps(min_interval, dt, f"{name}.min_interval"))
    first = checks.whole_steps(earliest, dt, f"{name}.earliest")
    free = n_steps - first - (n_spikes - 1) * (gap - 1)
    if free < n_spikes:
        raise ValueError(
            f"{name}: {n_spikes} target spikes at least {min_interval:g} ms apart do not fit "
            f"between {earliest:g} and {duration:g} ms. Use fewer, or a longer duration."
        )
    rng = np.random.default_rng(seed)
    p = -np.expm1(-rate_hz * dt / 1000)
    inputs = rng.random((n_patterns, n_steps, n_inputs)) < p
    # Steps drawn without the gaps, which are then put back between them: a bijection.
    trains = rng.random((n_patterns, n_outputs, free)).argsort(-1)[..., :n_spikes]
    at = first + np.sort(trains, -1) + (gap - 1) * np.arange(n_spikes)
    targets = np.zeros((n_patterns, n_steps, n_outputs), np.float32)
    np.put_along_axis(targets, at.swapaxes(1, 2), 1, axis=1)
    return Association(
        inputs.astype(np.float32), targets, ((at + 1) * dt).astype(np.float32)
    )
