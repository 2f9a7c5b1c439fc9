"""The main job: from an action potential to a trained network, with figures."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax import inputs, measures, plot, sweeps
from snnjax.analysis import firing_rate
from snnjax.cli.digits import train_digits
from snnjax.cli.options import show_bar, table
from snnjax.core.integrators import RK4
from snnjax.core.recorders import SpikeCount, Trace
from snnjax.core.simulate import simulate
from snnjax.core.spike_recorders import SpikeRaster
from snnjax.networks import izhikevich_2003
from snnjax.neurons import HodgkinHuxley
from snnjax.plot import save


class Row(NamedTuple):
    """One line of the closing table."""

    what: str
    result: str
    figure: str


def run(directory: Path, quick: bool = False) -> list[Row]:
    """Run all four parts and leave the figures in `directory`; prints a closing table.

    `quick` shrinks the sweep and the training, for a look at whether all works.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    parts: list[Callable[[Path, bool], list[Row]]] = [
        hodgkin_huxley,
        sweep,
        izhikevich_network,
        train,
    ]
    rows, start = [], time.perf_counter()
    for part in parts:
        print(part.__doc__)
        rows += part(directory, quick)
    print(f"\n{table(rows, indent=0)}\n")
    print(f"{time.perf_counter() - start:.0f} s; figures in {directory}/")
    return rows


def hodgkin_huxley(directory: Path, quick: bool) -> list[Row]:
    """The protocol of 1952: one action potential, its gates, conductances and kinetics."""
    cell = HodgkinHuxley.rest_zero(integrator=RK4())
    pulse = inputs.step(10.0, start=10, stop=15)
    sol = simulate(
        cell, pulse, 0.01, duration=40.0,
        record={"x": Trace("v", "m", "h", "n"), "n": SpikeCount()}, progress=show_bar(None),
    )  # fmt: skip
    x, ts = sol.ys["x"], sol.ts["x"]
    labels = {"v": "$v$ above rest (mV)", "current": "$I$ (µA/cm$^2$)"}
    ax = plot.membrane(cell, x, ts=ts, current=pulse, labels=labels)
    panels = save(
        ax, directory / "1_membrane.png", "Hodgkin-Huxley 1952, 10 µA/cm² for 5 ms"
    )
    ax = plot.action_potential({"v": x["v"] - 65.0}, ts=ts)
    spike = save(ax, directory / "1_action_potential.png")
    v = jnp.arange(-80.0, 80.01, 0.1)
    ax = plot.steady_states(v, cell.steady_states(v), cell.time_constants(v))
    curves = save(
        ax, directory / "1_steady_states.png", "Hodgkin-Huxley 1952, voltage above rest"
    )
    crossing = float(measures.crossing_times(x["v"], 50.0, 0.01, max_spikes=1)[0])
    at_rest = ", ".join(f"{k} {float(y):.4f}" for k, y in cell.steady_states(0.0).items())
    peak = f"crosses 50 mV at {crossing:.3f} ms, peak {x['v'].max():.2f} mV"
    g_na = float(cell.conductances(x)["na"].max())
    return [
        Row("Hodgkin-Huxley, one pulse", f"{int(sol.ys['n'])} spike, {peak}", spike),
        Row("  gates and conductances", f"g_Na up to {g_na:.1f} mS/cm2", panels),
        Row("  gates at rest", at_rest, curves),
    ]


def sweep(directory: Path, quick: bool) -> list[Row]:
    """Firing rate of Hodgkin-Huxley cells over injected current and sodium conductance."""
    n = 20 if quick else 100
    discard, duration = 100.0, 500.0

    def rate(current, g_na):
        # Strong currents make spikes small: count them from a lower level than usual.
        cell = HodgkinHuxley(g_na=g_na, spike_level=-20.0)
        return firing_rate(cell, current, dt=0.01, duration=duration, discard=discard)

    over = dict(current=np.linspace(0.0, 50.0, n), g_na=np.linspace(60.0, 180.0, n))
    start = time.perf_counter()
    result = sweeps.sweep(rate, over, progress=show_bar(None))
    seconds = time.perf_counter() - start
    labels = {"current": "current (µA/cm$^2$)", "g_na": "$g_{Na}$ (mS/cm$^2$)"}
    ax = plot.sweep(result, labels=labels | {"rate": "firing rate (Hz)"})
    title = f"{n * n} Hodgkin-Huxley cells, last {duration - discard:.0f} ms"
    figure = save(ax, directory / "2_sweep.png", title)
    speed = n * n * duration / 1000 / seconds
    return [
        Row(f"Sweep of {n * n} HH cells",
            f"0 .. {result['rate'].values.max():.0f} Hz, {speed:.0f} model-seconds per second "
            f"({seconds:.1f} s, compilation included)", figure)
    ]  # fmt: skip


def izhikevich_network(directory: Path, quick: bool) -> list[Row]:
    """The 1000-neuron network: raster, population rate and its spectrum."""
    network, drive = izhikevich_2003(key=jax.random.key(0))
    seconds = 1.0 if quick else 8.0
    first = 1000.0  # ms, drawn as the raster
    one = simulate(
        network, drive, 1.0, duration=first,
        record={"events": SpikeRaster(20_000), "spikes": Trace("output")}, progress=show_bar(None),
    )  # fmt: skip
    spikes = [np.asarray(one.ys["spikes"])]
    if not quick:  # a spectrum needs more than a second
        more = simulate(
            network,
            drive,
            1.0,
            duration=1000 * seconds - first,
            state=one.state,
            progress=show_bar(None),
        )
        spikes.append(np.asarray(more.ys))
    spikes = np.concatenate(spikes)
    populations = {"excitatory": 800, "inhibitory": 200}
    axes = plot.raster(one.ys["events"], n=1000, populations=populations, rate_bin=5.0)
    raster = save(axes, directory / "3_network.png", "1000 Izhikevich neurons (2003)")
    rate = measures.population_rate(spikes, 1.0)
    frequency, power = measures.power_spectrum(rate, 1.0)
    keep = (frequency > 0) & (frequency <= 100)
    ax = plot.spectrum(frequency[keep], power[keep])
    ax.set_ylabel("power of the population rate (Hz$^2$/Hz)")
    spectrum = save(ax, directory / "3_spectrum.png")
    hz = spikes.mean(0) * 1000
    peak = float(frequency[keep][np.argmax(power[keep])])
    return [
        Row("Izhikevich network, 1000 neurons",
            f"excitatory {hz[:800].mean():.2f} Hz, inhibitory {hz[800:].mean():.2f} Hz "
            f"over {seconds:.0f} s", raster),
        Row("  spectrum of its rate", f"largest at {peak:.1f} Hz", spectrum),
    ]  # fmt: skip


def train(directory: Path, quick: bool) -> list[Row]:
    """A spiking network learns handwritten digits."""
    r = train_digits(epochs=3 if quick else 30, progress=show_bar(None))
    curve = save(plot.learning_curve(r.history), directory / "4_learning.png")
    spikes = {"input": r.inputs}
    spikes |= {f"LIF {i}": x for i, x in enumerate(r.layer_outputs[1:-1:2], 1)}
    ax = plot.confusion_matrix(r.data.test[1], r.predicted)
    ax.set_title(f"test set, {100 * r.test_accuracy:.1f} % correct", fontsize="medium")
    matrix = save(ax, directory / "4_confusion.png")
    axes = plot.layers(
        r.data.test[0][0].reshape(8, 8), spikes, r.layer_outputs[-1],
        dt=1.0, label=r.data.test[1][0], answer=r.predicted[0],
    )  # fmt: skip
    layers = save(axes, directory / "4_layers.png")
    sizes = " / ".join(str(len(part[1])) for part in r.data)
    return [
        Row("Digits, spiking network",
            f"test accuracy {100 * r.test_accuracy:.1f} % at epoch {r.history.best_epoch + 1}, "
            f"chosen on validation ({100 * r.validation_accuracy:.1f} %)", curve),
        Row("  test set", f"split by seed 0: {sizes} train / validation / test", matrix),
        Row("  one digit", "input, two layers of spikes, readout", layers),
        Row("  saved and loaded", "outputs identical" if r.reloaded_identical else
            "OUTPUTS DIFFER", "-"),
    ]  # fmt: skip
