"""Published networks run again, and compared with what Brian2 and NEST give."""

import json
import math
from collections.abc import Callable
from functools import cache, partial
from importlib import resources
from typing import Any, NamedTuple

import jax
import numpy as np

from snnjax.core.simulate import simulate
from snnjax.core.spike_recorders import SpikeRaster
from snnjax.measures import PopulationStatistics, population_statistics
from snnjax.networks.brette_2007 import coba, cobahh, cuba
from snnjax.networks.brunel_2000 import brunel
from snnjax.networks.izhikevich_2003 import izhikevich_2003
from snnjax.networks.potjans_diesmann_2014 import potjans_diesmann

# By the names of reference_statistics.json: (network, inputs, state or nothing) by key.
NETWORKS: dict[str, Callable[..., tuple]] = {
    "izhikevich_1000": izhikevich_2003,
    "izhikevich_4000": partial(izhikevich_2003, n_exc=3200, n_inh=800, in_degree=100),
    "cuba_4000": cuba,
    "cuba_16000": partial(cuba, 16_000, fixed=True),
    "cuba_delays": partial(cuba, delays=True),
    "coba_4000": coba,
    "coba_16000": partial(coba, 16_000, fixed=True),
    "cobahh": cobahh,
    "brunel_ai": brunel,
    "brunel_ai_alpha": partial(brunel, alpha=True),
    "brunel_si_slow": partial(brunel, 4.5, 0.9),
    "brunel_si_fast": partial(brunel, 6.0, 4.0),
    "brunel_sr": partial(brunel, 3.0, 2.0),
    "potjans_diesmann_10": potjans_diesmann,
    "potjans_diesmann_10_full_in_degree": partial(potjans_diesmann, 0.1, 1.0),
}

# Brian2 holds v for a step less after a spike, and its delays act a step later. Where that
# changes more than `TOLERANCE` says, it is compared with a network that does so, too.
AS_BRIAN2: dict[str, dict[str, float]] = {
    "coba_4000": dict(t_ref=4.9),
    "coba_16000": dict(t_ref=4.9),
    "brunel_si_fast": dict(t_ref=1.9, delay=1.6),
    "brunel_sr": dict(t_ref=1.9, delay=1.6),
}

# What is left of a difference that chance does not explain: simulators differ in when
# within a step spikes arrive, which for Brunel's network moves the rate by 0.8 %, the
# frequency by 8 % and the correlation by 10 %.
TOLERANCE = {"rate": 0.02, "cv": 0.03, "correlation": 0.25, "peak": 0.1}
CONFIDENCE = 0.99  # that a run in which all agree passes in all its comparisons


class Comparison(NamedTuple):
    """A statistic of a network beside another one's."""

    mean: float
    reference: float
    errors: float  # difference, in combined standard errors
    ok: bool


@cache
def references() -> dict[str, Any]:
    """Stored statistics, by network; see "about" in the file."""
    file = resources.files("snnjax.networks") / "reference_statistics.json"
    return json.loads(file.read_text(encoding="utf-8"))["networks"]


def measured(
    name: str, seed: int, duration: float | None = None, peer: str = ""
) -> dict[str, PopulationStatistics]:
    """Statistics of a run of network `name`, by population ("all" is all), as the stored ones.

    `duration`: ms, without what is skipped; by default that of the stored statistics, with
    which alone CV and correlation can be compared. `peer`: in whose way steps are counted.
    """
    stored = references()[name]
    skip, dt = stored["skip_ms"], stored["dt_ms"]
    stop = skip + (stored["duration_ms"] if duration is None else duration)
    network, inputs, *state = NETWORKS[name](
        key=jax.random.key(seed), **changes(name, peer)
    )
    rate = any_peer(name)["statistics"]["all"]["rate"][0]
    room = int(network.n_neurons * (2e-3 * rate * (stop - skip) + 1))
    sol = simulate(
        *(network, inputs, dt),
        duration=stop,
        skip=skip,
        state=state[0] if state else None,
        record=SpikeRaster(room),
    )
    times, indices = sol.ys.trimmed()
    rate_bin = max(dt, 0.5 if name.startswith("brunel") else 1.0)
    found = {}
    for group, (first, size) in groups(network).items():
        own = (indices >= first) & (indices < first + size)
        window = dict(start=skip, stop=stop, rate_bin=rate_bin)
        found[group] = population_statistics(
            times[own], indices[own] - first, size, **window
        )
    return found


def changes(name: str, peer: str) -> dict[str, float]:
    """What makes network `name` count steps as `peer` does."""
    return AS_BRIAN2.get(name, {}) if peer == "brian2" else {}


def groups(network: Any) -> dict[str, tuple[int, int]]:
    """(first neuron, how many) of all, and of each part of a network of one population."""
    found, first = {"all": (0, network.n_neurons)}, 0
    (cells,) = network.populations.values()
    for part, size in cells.parts:
        found[part] = first, size
        first += size
    return found


def any_peer(name: str) -> dict[str, Any]:
    """The first of those whose statistics are stored."""
    return next(iter(references()[name]["peers"].values()))


def compared(name: str, whole: bool = True) -> list[tuple[str, str]]:
    """(population, statistic) that are looked at; only rates unless `whole`."""
    oscillates = name in ("brunel_si_slow", "brunel_si_fast", "brunel_sr")
    more = ("cv", "peak" if oscillates else "correlation") if whole else ()
    rates = [(group, "rate") for group in any_peer(name)["statistics"]]
    return rates + [("all", statistic) for statistic in more]


def compare(
    values: Any, statistic: str, peer: dict[str, Any], group: str, share: float, among: int
) -> Comparison | None:
    """Whether the mean of `values`, one a seed, is that of a peer; None if it has none.

    Student's t of the difference, with the variance over seeds pooled from both sides. It is ok
    unless the difference exceeds the `TOLERANCE` by more than what `CONFIDENCE` allows for
    among so many comparisons. `share`: of the stored duration, that `values` are of.
    """
    import scipy.special

    stored = peer["statistics"][group][statistic]
    if stored is None:
        return None
    (mean, deviation), n = stored, len(peer["seeds"])
    m, own = len(values), float(np.mean(values))
    freedom = n + m - 2
    squares = (n - 1) * deviation**2 + share * np.var(values) * m
    error = (squares / freedom * (1 / (m * share) + 1 / n)) ** 0.5
    tail = (1 - CONFIDENCE) / (2 * among)
    allowed = TOLERANCE[statistic] * abs(mean) - error * scipy.special.stdtrit(
        freedom, tail
    )
    apart = own - mean
    # All seeds of both sides may give one number, such as the bin of a spectrum's peak.
    errors = (
        apart / error if error > 0 else math.copysign(math.inf, apart) if apart else 0.0
    )
    return Comparison(own, mean, errors, bool(abs(apart) <= allowed))
