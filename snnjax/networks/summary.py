"""What a network consists of, and what a step of it costs."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from snnjax.core import checks
from snnjax.networks.names import place_of, places_of
from snnjax.networks.projection import Synapses
from snnjax.networks.source import Source
from snnjax.plasticity.wiring import Listed


class PopulationRow(NamedTuple):
    """A population: its neurons, and names of its model, parts and receptors."""

    name: str
    neurons: int
    model: str
    parts: str
    receptors: str


class ProjectionRow(NamedTuple):
    """A projection: `weight` and `delay` (ms) as text, `out_degree` the mean of its sources.

    `operator` also names a learning rule. `bytes` is what it holds; a run makes 4 more a synapse
    with "sparse" if delays differ, and a matrix with "dense".
    `events_per_step`: synapses that a spike passes; of all synapses if they are graded or gap
    junctions. None where no rate is known.
    """

    name: str
    to: str
    synapses: int
    out_degree: float
    weight: str
    delay: str
    operator: str
    bytes: int
    bytes_per_synapse: float
    events_per_step: float | None


class Summary(NamedTuple):
    """What `Network.summary` tells. `print` it for a table."""

    populations: list[PopulationRow]
    projections: list[ProjectionRow]

    @property
    def neurons(self) -> int:
        """Of all populations."""
        return sum(p.neurons for p in self.populations)

    @property
    def synapses(self) -> int:
        """Of all projections."""
        return sum(p.synapses for p in self.projections)

    @property
    def bytes(self) -> int:
        """What all projections hold."""
        return sum(p.bytes for p in self.projections)

    @property
    def events_per_step(self) -> float | None:
        """Synaptic events expected in a step; None where a rate is not known."""
        events = [p.events_per_step for p in self.projections]
        return None if None in events else sum(events)

    def __str__(self) -> str:
        cells = [
            ("population", "neurons", "model", "parts", "receptors"),
            *((p.name, f"{p.neurons:,}", *p[2:]) for p in self.populations),
        ]
        names = ("projection", "to", "synapses", "a source", "weight", "delay", "operator")
        rows = [(*names, "bytes", "a synapse", "events a step")]
        for p in self.projections:
            kept = f"{p.bytes:,}", f"{p.bytes_per_synapse:.1f}", _count(p.events_per_step)
            n = f"{p.synapses:,}", f"{p.out_degree:.4g}"
            rows.append((p.name, p.to, *n, p.weight, p.delay, p.operator, *kept))
        total = f"{self.neurons:,} neurons, {self.synapses:,} synapses"
        if self.synapses:
            total += f", {self.bytes:,} bytes, {self.bytes / self.synapses:.1f} a synapse"
        if self.events_per_step is not None and self.projections:
            total += f", {_count(self.events_per_step)} synaptic events a step"
        parts = [_table(cells), _table(rows)] if self.projections else [_table(cells)]
        return "\n\n".join([*parts, total])

    __repr__ = __str__


def summarise(network: Any, rate_hz: Any = None, dt: Any = None) -> Summary:
    """See `Network.summary`."""
    if checks.is_traced((network, rate_hz, dt)):
        raise ValueError(
            "Network.summary reads the values of a network: call it outside jit."
        )
    if (rate_hz is None) != (dt is None):
        raise ValueError("Network.summary needs both rate_hz (Hz) and dt (ms), or neither.")
    rates = None if rate_hz is None else _rates(network, rate_hz)
    step = None if dt is None else float(checks.positive(dt, "Network.summary.dt", "ms"))
    populations = [
        PopulationRow(
            name,
            p.size,
            _model(p.neuron),
            ", ".join(f"{part} {n:,}" for part, n in p.parts),
            ", ".join(f"{r} {type(x).__name__}" for r, x in p.receptors.items()),
        )
        for name, p in network.populations.items()
    ]
    every = {**network.synapses, **network.gaps}
    projections = [
        _projection(name, s, name in network.gaps, rates, step) for name, s in every.items()
    ]
    return Summary(populations, projections)


def _projection(
    name: str, s: Synapses, gap: bool, rates: dict[str, np.ndarray] | None, dt: float | None
) -> ProjectionRow:
    if s.counts is not None:
        degrees = np.asarray(s.counts).sum(1, dtype=np.int64)
    elif s.indptr is not None:
        degrees = np.diff(np.asarray(s.indptr)).astype(np.int64)
    else:
        degrees = np.full(s.shape[0], s.shape[1])
    n, learns = int(degrees.sum()), s.learning is not None
    held = s.weight, s.delay, s.post, s.indptr, s.counts
    listed = s.by_target  # of a plastic projection; it shares `post` and `indptr`
    if isinstance(listed, Listed):
        held = *held, listed.pre, listed.order, listed.starts
    size = sum(x.nbytes for x in jax.tree.leaves(held))
    first, last = s.ends.source_slice
    if gap or (s.release is not None and not s.release.event):
        events = float(n)
    else:
        events = None
        if rates is not None and dt is not None:
            per_step = rates[s.ends.source][first:last] * dt / 1000
            events = float(per_step @ degrees)
            events = None if math.isnan(events) else events
    return ProjectionRow(
        name,
        s.ends.target if gap else s.ends.port,
        n,
        float(degrees.mean()),
        _values(s.weight),
        "none" if gap else "1 step" if s.delay is None else f"{_values(s.delay)} ms",
        "gap" if gap else s.operator + (f", {type(s.learning).__name__}" * learns),
        size,
        size / n if n else math.nan,
        events,
    )


def _rates(network: Any, rate_hz: Any) -> dict[str, np.ndarray]:
    """Hz, by population, one a neuron."""
    given = (
        rate_hz
        if isinstance(rate_hz, dict)
        else dict.fromkeys(network.populations, rate_hz)
    )
    places = dict(places_of(network.populations))
    rates = {name: np.full(p.size, np.nan) for name, p in network.populations.items()}
    for name, value in given.items():
        place = place_of(name, places, "Network.summary.rate_hz")
        value = np.asarray(checks.at_least(value, 0, "Network.summary.rate_hz", "Hz"))
        into = rates[place.population][place.first : place.last]
        if value.shape not in ((), into.shape):
            raise ValueError(
                f"Network.summary.rate_hz[{name!r}] must be one number in Hz or one for each of "
                f"{len(into)} neurons, got shape {value.shape}."
            )
        into[:] = value
    return rates


def _model(neuron: Any) -> str:
    return type(neuron.spikes if isinstance(neuron, Source) else neuron).__name__


def _values(x: Array) -> str:
    """One number, or the range of several."""
    if not x.size:
        return "-"
    low, high = f"{np.min(x):.4g}", f"{np.max(x):.4g}"
    return low if low == high else f"{low} .. {high}"


def _count(x: float | None) -> str:
    return "?" if x is None else f"{x:,.4g}" if x < 1e4 else f"{x:,.0f}"


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(x.ljust(w) for x, w in zip(r, widths, strict=True)) for r in rows]
    return "\n".join(line.rstrip() for line in lines)
