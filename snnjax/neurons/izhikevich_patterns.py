"""The twenty firing patterns of Izhikevich 2004: neuron, stimulus and what to expect."""

import math
from typing import NamedTuple

import numpy as np

from snnjax.core.checks import positive, whole_steps
from snnjax.neurons.izhikevich import Izhikevich
from snnjax.neurons.pattern_names import full_name

INF = math.inf


class Segment(NamedTuple):
    """A current of `level + slope (t - start)` for start < t < stop, 0 elsewhere."""

    start: float  # ms
    stop: float  # ms
    level: float = 0.0  # mV/ms
    slope: float = 0.0  # mV/ms per ms


class IzhikevichPattern(NamedTuple):
    """One of the twenty patterns, ready for `simulate(p.neuron, p.current, p.dt)`."""

    name: str
    neuron: Izhikevich
    current: np.ndarray  # mV/ms, at the start of each step, from 0 to `duration` inclusive
    dt: float  # ms
    duration: float  # ms
    count: int | None  # spikes of the published script; None at any other dt
    expect: str


class _Published(NamedTuple):
    parameters: dict[str, float]
    stimulus: list[Segment]
    dt: float
    duration: float
    count: int
    expect: str
    background: float = 0.0  # mV/ms


def _pulses(level: float, length: float, *starts: float) -> list[Segment]:
    return [Segment(t, t + length, level) for t in starts]


# Class 1 excitability and the integrator have a parabola of their own.
_CLASS_1 = dict(linear=4.1, constant=108.0)
_INHIBITED = [Segment(-INF, 50, 5), Segment(250, INF, 5)]

# Parameters and stimuli of figure 1 of Izhikevich 2004, IEEE Trans. Neural Netw. 15:1063, and
# of its script; counts are those of the script's scheme, step and order in float64.
_PATTERNS = {
    "A tonic spiking": _Published(
        dict(a=0.02, b=0.2, c=-65, d=6, v_start=-70),
        [Segment(10, INF, 14)],
        *(0.25, 100, 5, "a regular train"),
    ),
    "B phasic spiking": _Published(
        dict(a=0.02, b=0.25, c=-65, d=6, v_start=-64),
        [Segment(20, INF, 0.5)],
        *(0.25, 200, 1, "one spike at the onset"),
    ),
    "C tonic bursting": _Published(
        dict(a=0.02, b=0.2, c=-50, d=2, v_start=-70),
        [Segment(22, INF, 15)],
        *(0.25, 220, 28, "periodic bursts"),
    ),
    "D phasic bursting": _Published(
        dict(a=0.02, b=0.25, c=-55, d=0.05, v_start=-64),
        [Segment(20, INF, 0.6)],
        *(0.2, 200, 6, "one burst at the onset"),
    ),
    "E mixed mode": _Published(
        dict(a=0.02, b=0.2, c=-55, d=4, v_start=-70),
        [Segment(16, INF, 10)],
        *(0.25, 160, 6, "a burst, then single spikes"),
    ),
    "F spike frequency adaptation": _Published(
        dict(a=0.01, b=0.2, c=-65, d=8, v_start=-70),
        [Segment(8.5, INF, 30)],
        *(0.25, 85, 6, "interspike intervals that grow"),
    ),
    "G class 1 excitable": _Published(
        dict(a=0.02, b=-0.1, c=-55, d=6, v_start=-60, **_CLASS_1),
        [Segment(30, INF, slope=0.075)],
        *(0.25, 300, 10, "a rate that rises smoothly from about 0"),
    ),
    "H class 2 excitable": _Published(
        dict(a=0.2, b=0.26, c=-65, d=0, v_start=-64),
        [Segment(30, INF, slope=0.015)],
        *(0.25, 300, 14, "an onset at a high rate"),
        background=-0.5,
    ),
    "I spike latency": _Published(
        dict(a=0.02, b=0.2, c=-65, d=6, v_start=-70),
        _pulses(7.04, 3, 10),
        *(0.2, 100, 1, "one late spike"),
    ),
    "J subthreshold oscillations": _Published(
        dict(a=0.05, b=0.26, c=-60, d=0, v_start=-62),
        _pulses(2, 5, 20),
        *(0.25, 200, 1, "one spike, then ringing"),
    ),
    "K resonator": _Published(
        dict(a=0.1, b=0.26, c=-60, d=-1, v_start=-62),
        _pulses(0.65, 4, 40, 60, 280, 320),
        *(0.25, 400, 1, "a spike to the doublet at the resonant interval only"),
    ),
    "L integrator": _Published(
        dict(a=0.02, b=-0.1, c=-55, d=6, v_start=-60, **_CLASS_1),
        _pulses(9, 2, 100 / 11, 100 / 11 + 5, 70, 80),
        *(0.25, 100, 1, "a spike to the close doublet only"),
    ),
    "M rebound spike": _Published(
        dict(a=0.03, b=0.25, c=-60, d=4, v_start=-64),
        _pulses(-15, 5, 20),
        *(0.2, 200, 1, "one spike after inhibition"),
    ),
    "N rebound burst": _Published(
        dict(a=0.03, b=0.25, c=-52, d=0, v_start=-64),
        _pulses(-15, 5, 20),
        *(0.2, 200, 7, "a burst after inhibition (14 spikes with a small dt)"),
    ),
    "O threshold variability": _Published(
        dict(a=0.03, b=0.25, c=-60, d=4, v_start=-64),
        _pulses(1, 5, 10, 80) + _pulses(-6, 5, 70),
        *(0.25, 100, 1, "of two equal pulses, only the one after inhibition fires"),
    ),
    "P bistability": _Published(
        dict(a=0.1, b=0.26, c=-60, d=0, v_start=-61),
        _pulses(1, 5, 37.5, 216),
        *(0.25, 300, 5, "a pulse starts tonic firing, another stops it"),
        background=0.24,
    ),
    "Q depolarizing after-potential": _Published(
        dict(a=1, b=0.2, c=-60, d=-21, v_start=-70),
        _pulses(20, 2, 9),
        *(0.1, 50, 1, "a spike and an after-depolarisation (8 spikes with a small dt)"),
    ),
    # The published script leaves -u out of du/dt, and its figure depends on it.
    "R accommodation": _Published(
        dict(a=0.02, b=1, c=-55, d=4, v_start=-65, u_start=-16, v_u=-65, u_decay=0),
        [Segment(0, 200, slope=1 / 25), Segment(300, 312.5, slope=4 / 12.5)],
        *(0.5, 400, 1, "silence on the slow ramp, a spike on the fast one"),
    ),
    "S inhibition-induced spiking": _Published(
        dict(a=-0.02, b=-1, c=-60, d=8, v_start=-63.8),
        _INHIBITED,
        *(0.5, 350, 3, "spikes only while inhibited"),
        background=75.0,
    ),
    "T inhibition-induced bursting": _Published(
        dict(a=-0.026, b=-1, c=-45, d=-2, v_start=-63.8),
        _INHIBITED,
        *(0.5, 350, 12, "bursts only while inhibited (ever more spikes with a small dt)"),
        background=75.0,
    ),
}

IZHIKEVICH_PATTERNS = tuple(_PATTERNS)


def izhikevich_pattern(name: str, dt: float | None = None) -> IzhikevichPattern:
    """One of the twenty patterns of Izhikevich 2004, IEEE Trans. Neural Netw. 15:1063.

    - `name`: "A tonic spiking", or its letter or its words alone; see `IZHIKEVICH_PATTERNS`.
    - `dt`: ms; None is the published step. The counts belong to that step and to the
      published order (v, then u with the new v, then the test, current at the start of the
      step). With steps of 0.001 ms and less N gives 14 spikes and Q 8, and the bursts of T have no
      limit: each spike lowers u (d = -2), so that spikes come ever faster.
    """
    full = full_name(name, _PATTERNS, "Izhikevich pattern")
    p = _PATTERNS[full]
    count = p.count if dt is None else None
    if dt is None:
        dt = p.dt
    else:
        positive(dt, "izhikevich_pattern.dt", "ms")
        dt = float(dt)
    # The published scripts take a step at each time from 0 to the end, both included.
    t = np.arange(whole_steps(p.duration, dt, "izhikevich_pattern.duration") + 1) * dt
    current = np.full(t.shape, p.background)
    for s in p.stimulus:
        ramp = s.slope * (t - s.start) if s.slope else 0.0
        current += np.where((t > s.start) & (t < s.stop), s.level + ramp, 0.0)
    return IzhikevichPattern(
        full, Izhikevich(**p.parameters), current, dt, p.duration, count, p.expect
    )
