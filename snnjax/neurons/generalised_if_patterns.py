"""The twenty firing patterns of Mihalas & Niebur 2009: neuron, start and stimulus."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import positive, whole_steps
from snnjax.neurons.generalised_if import GeneralisedIF, GeneralisedIFState
from snnjax.neurons.pattern_names import full_name


class MihalasNieburPattern(NamedTuple):
    """One of the twenty patterns: `simulate(p.neuron, p.current, dt, state=RunState(p.state))`."""

    name: str
    neuron: GeneralisedIF
    state: GeneralisedIFState
    current: np.ndarray  # pA, one value a step
    expect: str


class _Published(NamedTuple):
    a: float  # 1/s
    jumps: tuple[float, float]  # A_1 / C and A_2 / C, V/s
    sections: list[tuple[float, float]]  # I / C in V/s, and for how long in ms
    expect: str


# Table 1 of the paper; durations, which it does not print, as Detorakis 2017, ReScience 3(1),
# read them from its figure 1.
_PATTERNS = {
    "A tonic spiking": _Published(0, (0, 0), [(1.5, 200)], "a regular train"),
    "B class 1": _Published(0, (0, 0), [(1 + 1e-6, 500)], "an onset at a rate near 0"),
    "C spike frequency adaptation": _Published(
        5, (0, 0), [(2, 200)], "interspike intervals that grow"
    ),
    "D phasic spiking": _Published(5, (0, 0), [(1.5, 500)], "spikes at the onset only"),
    "E accommodation": _Published(
        5,
        (0, 0),
        [(1.5, 100), (0, 500), (0.5, 100), (1, 100), (1.5, 100), (0, 100)],
        "spikes to the sudden step, none to the staircase",
    ),
    "F threshold variability": _Published(
        5,
        (0, 0),
        [(1.5, 20), (0, 180), (-1.5, 25), (0, 25), (1.5, 25), (0, 125)],
        "of two equal pulses, only the one after inhibition fires",
    ),
    "G rebound spike": _Published(
        5, (0, 0), [(0, 50), (-3.5, 756), (0, 194)], "one spike after inhibition"
    ),
    "H class 2": _Published(5, (0, 0), [(2 * (1 + 1e-6), 300)], "an onset at a high rate"),
    "I integrator": _Published(
        5,
        (0, 0),
        [(1.5, 20), (0, 10), (1.5, 20), (0, 250), (1.5, 20), (0, 20), (1.5, 20), (0, 40)],
        "a spike to the close doublet only",
    ),
    "J input bistability": _Published(
        5,
        (0, 0),
        [(1.5, 100), (1.7, 400), (1.5, 100), (1.7, 400)],
        "at 1.7, firing after rest and silence after firing",
    ),
    "K hyperpolarization-induced spiking": _Published(
        30, (0, 0), [(-1, 400)], "spikes while inhibited"
    ),
    "L hyperpolarization-induced bursting": _Published(
        30, (10, -0.6), [(-1, 400)], "bursts while inhibited"
    ),
    "M tonic bursting": _Published(5, (10, -0.6), [(2, 500)], "periodic bursts"),
    "N phasic bursting": _Published(5, (10, -0.6), [(1.5, 500)], "one burst at the onset"),
    "O rebound burst": _Published(
        5, (10, -0.6), [(0, 100), (-3.5, 500), (0, 400)], "a burst after inhibition"
    ),
    "P mixed mode": _Published(5, (5, -0.3), [(2, 500)], "a burst, then single spikes"),
    "Q afterpotentials": _Published(
        5, (5, -0.3), [(2, 15), (0, 185)], "a spike, then de- and hyperpolarisation"
    ),
    "R basal bistability": _Published(
        0,
        (8, -0.1),
        [(5, 10), (0, 90), (5, 10), (0, 90)],
        "a pulse starts tonic firing, another stops it",
    ),
    "S preferred frequency": _Published(
        5,
        (-3, 0.5),
        [(5, 5), (0, 5), (4, 5), (0, 385), (5, 5), (0, 45), (4, 5), (0, 345)],
        "a second spike to the doublet at the preferred interval only",
    ),
    "T spike latency": _Published(-80, (0, 0), [(8, 2), (0, 48)], "one late spike"),
}

MIHALAS_NIEBUR_PATTERNS = tuple(_PATTERNS)


def mihalas_niebur_pattern(name: str, dt: float = 0.1) -> MihalasNieburPattern:
    """One of the twenty patterns of Mihalas & Niebur 2009, Neural Comput. 21:704.

    The paper divides all by the capacitance; currents here are those of 100 pF.

    - `name`: "A tonic spiking", or its letter or its words alone; see
      `MIHALAS_NIEBUR_PATTERNS`. `dt`: ms, the step of `current`.
    """
    full = full_name(name, _PATTERNS, "Mihalas-Niebur pattern")
    p, c_m = _PATTERNS[full], 100.0
    neuron = GeneralisedIF(c_m, a=p.a * 1e-3, jump=[c_m * x for x in p.jumps])
    dt = float(positive(dt, "mihalas_niebur_pattern.dt", "ms"))
    steps = [whole_steps(t, dt, "mihalas_niebur_pattern: a section") for _, t in p.sections]
    current = np.repeat([c_m * x for x, _ in p.sections], steps)
    currents = c_m * jnp.array([0.01, 0.001])
    state = neuron.init()._replace(currents=currents)
    if full == "H class 2":  # begins where the input would hold it without a spike
        state = state._replace(v=jnp.full((), -30.0), theta=jnp.full((), -30.0))
    return MihalasNieburPattern(full, neuron, state, current, p.expect)
