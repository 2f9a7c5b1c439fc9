"""Shared by the benchmarks: compile apart, answers first, medians of interleaved runs."""

import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import snnjax as snn


class Entry(NamedTuple):
    """One way to do the work: a jitted function of `args` that returns its answer."""

    name: str
    function: Callable[..., Any]
    args: tuple


def header(title: str) -> None:
    """What the numbers below were made with."""
    device = jax.devices()[0]
    print(f"\n# {title}")
    print(
        f"snnjax {snn.__version__}, jax {jax.__version__}, Python {platform.python_version()}, "
        f"{device.platform} x {jax.device_count()}, "
        f"float{64 if jax.config.read('jax_enable_x64') else 32}"
    )


def compare(
    entries: list[Entry],
    *,
    updates: int,
    agree: Callable[[Any, Any], None],
    describe: Callable[[Any], str],
    repeat: int = 7,
) -> dict[str, float]:
    """Median seconds by name; the first entry is the baseline of the printed ratios.

    `agree(answer, baseline)` raises unless the answers match; `updates` counts neuron steps.
    Runs alternate between the entries, so that a slow spell of the machine hits all.
    """
    compiled, compile_s, answers = {}, {}, {}
    for e in entries:
        start = time.perf_counter()
        compiled[e.name] = jax.jit(e.function).lower(*e.args).compile()
        compile_s[e.name] = time.perf_counter() - start
        answers[e.name] = jax.tree.map(np.asarray, compiled[e.name](*e.args))
        agree(answers[e.name], answers[entries[0].name])
    seconds = {e.name: [] for e in entries}
    for _ in range(repeat):
        for e in entries:
            start = time.perf_counter()
            jax.block_until_ready(compiled[e.name](*e.args))
            seconds[e.name].append(time.perf_counter() - start)
    median = {name: statistics.median(s) for name, s in seconds.items()}
    base = median[entries[0].name]
    print(
        f"answer: {describe(answers[entries[0].name])}; median of {repeat} interleaved runs"
    )
    print(
        f"{'':34} {'compile s':>9} {'median s':>9} {'min s':>7} {'ns/neuron/step':>15} {'ratio':>6}"
    )
    for e in entries:
        m = median[e.name]
        print(
            f"{e.name:34} {compile_s[e.name]:9.2f} {m:9.3f} {min(seconds[e.name]):7.3f} "
            f"{m / updates * 1e9:15.3f} {m / base:6.2f}"
        )
    return median
