"""`snnjax verify`: published networks, beside Brian2, NEST and theory."""

import time
from collections.abc import Callable
from typing import Any

import click
import jax
import numpy as np

from snnjax.cli.discover import match
from snnjax.cli.options import progress_option, show_bar, table
from snnjax.cli.values import Positive
from snnjax.core.progress import bar
from snnjax.networks import verify as networks

Row = tuple[str, ...]
Runs = dict[
    tuple[str, str], list[Any]
]  # by network and whose way to count steps, "" is ours
PEERS = ("brian2", "nest")
NOTE = (
    "* is the difference of a network run as Brian2 counts steps: refractory for a step less, "
    "delays a step longer."
)
THEORY_TOLERANCE = 0.03  # noise is not white, and inputs of a network not independent
UNITS = {"rate": " Hz", "peak": " Hz"}


def brunel_ai() -> float:
    """Rate (Hz) of asynchronous irregular firing."""
    from snnjax.analysis import self_consistent_rates

    with jax.enable_x64(True):
        weight, in_degree = [[0.1, -0.5]] * 2, [[1000, 250]] * 2
        return float(self_consistent_rates(weight, in_degree, mu=40.0, sigma=2.0)[0])


THEORY: dict[str, Callable[[], float]] = {"brunel_ai": brunel_ai}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each."
)
@click.option(
    "--duration",
    type=Positive(),
    help="ms of each run; other than the stored one, only rates are compared. "
    "[default: as stored, 300 to 1000]",
)
@progress_option
def verify(
    names: tuple[str, ...], seeds: int, duration: float | None, progress: bool | None
) -> None:
    """Run published networks, and compare their statistics with those of other simulators.

    \b
    Examples:
      snnjax verify cuba_4000 izhikevich_1000
      snnjax verify --seeds 10

    Without NAME all are run, which takes minutes and 2 GB of memory. Numbers of Brian2 and NEST
    come with the package, means over 5 to 10 seeds; in brackets is the difference in standard
    errors. A comparison fails if what is more than a few percent of difference is more than
    chance explains, with a confidence of 99 % for the whole table.
    """
    known = {name: None for name in networks.NETWORKS if name in networks.references()}
    chosen = [match(name, known, "network") for name in names] or list(known)
    ways = [
        (n, p)
        for n in dict.fromkeys(chosen)
        for p in ("", *networks.references()[n]["peers"])
    ]
    ways = [(name, peer) for name, peer in ways if not peer or networks.changes(name, peer)]
    jobs = [(way, seed) for way in ways for seed in range(seeds)]
    runs: Runs = {}
    start = time.perf_counter()
    for (name, peer), seed in bar(jobs, show_bar(progress), "verify"):
        run = networks.measured(name, seed, duration, peer)
        runs.setdefault((name, peer), []).append(run)
    seconds = time.perf_counter() - start
    rows, failed = report(runs, duration)
    click.echo(table([("network", "statistic", "snnjax", *PEERS, "theory", ""), *rows]))
    many = "seed" if seeds == 1 else "seeds"
    click.echo(f"\n{len(rows)} statistics, {seeds} {many}, {seconds:.0f} s.")
    if any(peer for _, peer in ways):
        click.echo(NOTE)
    if failed:
        raise click.ClickException(f"{len(failed)} differ: {', '.join(failed)}.")


def report(runs: Runs, duration: float | None) -> tuple[list[Row], list[str]]:
    """(rows of the table, what failed)."""
    lines = []
    for name in dict.fromkeys(name for name, _ in runs):
        stored = networks.references()[name]["duration_ms"]
        share = 1.0 if duration is None else duration / stored
        what = networks.compared(name, whole=share == 1)
        lines += [(name, group, statistic, share) for group, statistic in what]
    among = sum(len(networks.references()[line[0]]["peers"]) for line in lines)
    rows, failed = [], []
    for name, group, statistic, share in lines:
        values = {
            peer: [getattr(run[group], statistic) for run in done]
            for (network, peer), done in runs.items()
            if network == name
        }
        peers, own = networks.references()[name]["peers"], values[""]
        cells, ok = [], True
        for peer in PEERS:
            if peer not in peers:
                cells.append("-")
                continue
            same_way = values.get(peer, own)
            found = networks.compare(same_way, statistic, peers[peer], group, share, among)
            cells.append(_beside(found) + (" *" if peer in values else ""))
            ok &= found is None or found.ok
        overall = (group, statistic) == ("all", "rate")
        expected = THEORY[name]() if name in THEORY and overall else None
        if expected is not None:
            ok &= bool(abs(np.mean(own) - expected) <= THEORY_TOLERANCE * expected)
        label = f"{group} {statistic}{UNITS.get(statistic, '')}"
        theory = "-" if expected is None else f"{expected:.4g}"
        rows.append((name, label, _spread(own), *cells, theory, "" if ok else "DIFFERS"))
        if not ok:
            failed.append(f"{name} {group} {statistic}")
    return rows, failed


def _spread(values: list[float]) -> str:
    many = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.4g}{many}"


def _beside(compared: Any) -> str:
    if compared is None:
        return "-"
    return f"{compared.reference:.4g} ({compared.errors:+.1f})"
