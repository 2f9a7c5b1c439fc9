"""Networks: who reaches whom, and how weights and delays are spread."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snnjax.networks import Network
from snnjax.networks.names import places_of
from snnjax.plot.style import array, colour, legend, one


def connectivity(network: Network, *, most: int = 200, ax: Axes | None = None) -> Axes:
    """A dot for each connected pair of neurons, in the colour of the source's part.

    - `most`: of more neurons than these, so many are picked, at equal distances. Gap junctions
      are left out. Holds the matrix of all pairs of a projection, one at a time.
    """
    n, places = network.n_neurons, dict(places_of(network.populations))
    picked = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
    connected = np.zeros((len(picked), len(picked)), bool)
    for s in network.synapses.values():
        rows, sources = _inside(picked, places[s.ends.source].offset, s.ends.source_slice)
        columns, targets = _inside(
            picked, places[s.ends.target].offset, s.ends.target_slice
        )
        own = array(s.matrix()[sources][:, targets]) != 0
        connected[np.ix_(rows, columns)] |= own
    ax = one(ax, (4.6, 4.4))
    for i, (name, first, last) in enumerate(_parts(network, places)):
        rows = np.flatnonzero((picked >= first) & (picked < last))
        row, column = np.nonzero(connected[rows])
        dots = dict(s=min(12.0, 600 / len(picked)), linewidths=0, color=colour(i))
        ax.scatter(picked[column], picked[rows][row], label=name, **dots)
    ax.set_xlim(-0.5, n - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.set_xlabel("target neuron")
    ax.set_ylabel("source neuron")
    legend(ax, loc="lower left", bbox_to_anchor=(0, 1), ncols=9, markerscale=3)
    return ax


def histogram(
    values: Any, *, xlabel: str, bins: Any = 30, ylabel: str = "synapses", ax: Any = None
) -> Axes:
    """How weights, delays or other values are spread: one outline for each name.

    - `values`: an array, or arrays by name; all share the `bins`. `xlabel`: with the unit.
    """
    named = values if isinstance(values, dict) else {None: values}
    named = {name: array(x).ravel() for name, x in named.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(named.values())), bins)
    ax = one(ax)
    for i, (name, x) in enumerate(named.items()):
        ax.stairs(np.histogram(x, edges)[0], edges, color=colour(i), label=name, lw=1.5)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_ylim(bottom=0)
    legend(ax)
    return ax


def _inside(
    picked: np.ndarray, offset: int, bounds: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(which of the picked neurons lie within the bounds, their numbers from there)."""
    local = picked - offset - bounds[0]
    here = np.flatnonzero((local >= 0) & (local < bounds[1] - bounds[0]))
    return here, local[here]


def _parts(network: Network, places: Any) -> list[tuple[str, int, int]]:
    """(name, first, last) of the parts of each population, or of itself if it has none."""
    found = []
    for name, population in network.populations.items():
        for part in [part for part, _ in population.parts] or [name]:
            place = places[part]
            found.append((part, place.offset + place.first, place.offset + place.last))
    return found
