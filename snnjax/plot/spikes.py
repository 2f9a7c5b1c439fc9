"""Spikes: rasters, intervals, rates."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from snnjax.analysis import FICurve
from snnjax.core.spike_recorders import Events
from snnjax.measures import isi
from snnjax.plot.style import LABELS, array, colour, legend, one, stacked


def raster(
    spikes: Any,
    *,
    dt: float | None = None,
    n: int | None = None,
    populations: dict[str, int] | None = None,
    rate_bin: float | None = None,
    ax: Any = None,
) -> Axes | np.ndarray:
    """A dot for each spike: neuron against time in ms.

    - `spikes`: `Events` of a `SpikeRaster`, (times in ms, indices), or an array [time, n] with
      `dt` in ms.
    - `populations`: names and sizes, in the order of the neurons, each in its colour.
    - `rate_bin`: ms; adds a panel of the mean rate of each population, in Hz, in such bins.
    - `n`: number of neurons, if not all of them fire.

    Returns the axes, or two of them with `rate_bin`.
    """
    times, indices, n, duration = _events(spikes, dt, n)
    sizes = {"": n} if populations is None else populations
    if sum(sizes.values()) != n and (populations is not None):
        n = max(n, sum(sizes.values()))
    axes = stacked(ax, 1) if rate_bin is None else stacked(ax, 2, (2.2, 1.0), (6.5, 4.6))
    first = 0
    for i, (name, size) in enumerate(sizes.items()):
        own = (indices >= first) & (indices < first + size)
        axes[0].scatter(
            times[own], indices[own], s=max(0.6, min(12, 1500 / n)), color=colour(i),
            marker="|" if n <= 100 else ".", linewidths=0.8 if n <= 100 else 0, label=name,
        )  # fmt: skip
        if rate_bin is not None:
            n_bins = int(np.ceil(duration / rate_bin - 1e-9))
            edges = np.minimum(rate_bin * np.arange(n_bins + 1), duration)
            # A spike has the time at the end of its step, which belongs to the bin it ends.
            counts, _ = np.histogram(times[own] - 1e-6 * rate_bin, edges)
            rate = 1e3 * counts / (size * np.diff(edges))
            axes[1].stairs(rate, edges, color=colour(i), label=name)
        first += size
    axes[0].set_ylabel("neuron")
    axes[0].set_ylim(-0.5, n - 0.5)
    axes[-1].set_xlim(0, duration)
    axes[-1].set_xlabel(LABELS["time"])
    if rate_bin is not None:
        axes[1].set_ylabel(LABELS["rate"])
        axes[1].set_ylim(bottom=0)
        if populations is not None:
            legend(axes[1], loc="upper right", ncols=len(sizes))
    elif populations is not None:
        legend(axes[0], loc="upper right", markerscale=4, frameon=True)
    return axes[0] if rate_bin is None else axes


def _events(spikes: Any, dt: float | None, n: int | None):
    if isinstance(spikes, Events):
        times, indices = spikes.trimmed()
    elif isinstance(spikes, tuple):
        times, indices = (array(x) for x in spikes)
    else:
        if dt is None:
            raise ValueError("plot.raster needs dt= (ms) with an array of spikes.")
        dense = array(spikes).reshape(len(spikes), -1)
        steps, indices = np.nonzero(dense)
        return (steps + 1) * dt, indices, dense.shape[1], len(dense) * dt
    n = int(indices.max(initial=0)) + 1 if n is None else n
    return times, indices, n, float(times.max(initial=1.0))


def isi_histogram(times: Any, *, bins: Any = 30, ax: Axes | None = None) -> Axes:
    """Histogram of the intervals between the spikes of one train, ms."""
    ax = one(ax)
    ax.hist(isi(times), bins=bins, color=colour(0), edgecolor="white", linewidth=0.5)
    ax.set_xlabel("interspike interval (ms)")
    ax.set_ylabel("number of intervals")
    return ax


def fi_curve(
    current: FICurve | Any,
    rate: Any = None,
    *,
    unit: str = "pA",
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Firing rate in Hz against current, in `unit`.

    - `current`: of `analysis.fi_curve`, which draws the first interval's rate beside the
      last one's; or currents, with their `rate`.
    """
    ax = one(ax)
    if isinstance(current, FICurve):
        curves = {"first interval": current.initial, "last interval": current.steady}
        current = current.current
    elif rate is None:
        raise ValueError("plot.fi_curve needs rate= (Hz) with currents.")
    else:
        curves = {label: rate}
    for label, y in curves.items():
        ax.plot(array(current), array(y), color=colour(len(ax.lines)), lw=1.5, label=label)
    ax.set_xlabel(f"current ({unit})")
    ax.set_ylabel(LABELS["rate"])
    ax.autoscale(axis="y")  # a curve added to others may be higher
    ax.set_ylim(bottom=0)
    legend(ax)
    return ax
