"""Who feeds whom in a graph of layers, and in which order they can run."""

import dataclasses
import graphlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from snnjax.core import checks


@dataclasses.dataclass(frozen=True)
class Previous:
    """What node (or input) `name` of a `Graph` put out in the step before; 0 at the start.

    - `features`: the length of its last axis. Needed only where nothing else tells it: where
      it is concatenated, or is all that its reader reads.
    """

    name: str
    features: int | None = None


class Concatenate:
    """Inputs of a node of a `Graph` that are joined along the last axis, not added."""

    def __init__(self, *sources: "str | Previous"):
        self.sources = sources


Source = str | Previous


@dataclasses.dataclass(frozen=True)
class Wire:
    """What a node reads: the sum of `sources`, or all of them joined along the last axis."""

    sources: tuple[Source, ...]
    concatenate: bool

    @property
    def names(self) -> list[str]:
        """Every node or input it reads."""
        return [name_of(source) for source in self.sources]

    @property
    def now(self) -> list[str]:
        """Those it reads within the same step."""
        return [source for source in self.sources if isinstance(source, str)]


def name_of(source: Source) -> str:
    """The node or input that `source` reads."""
    return source.name if isinstance(source, Previous) else source


def as_wire(spec: Any, reader: str) -> Wire:
    """`spec`, as a user writes what node `reader` reads, as a `Wire`."""
    joined = isinstance(spec, Concatenate)
    sources = spec.sources if joined else spec
    sources = [sources] if isinstance(sources, str | Previous) else list(sources)
    for source in sources:
        if not isinstance(source, str | Previous):
            raise ValueError(
                f"Graph.nodes.{reader} must read names or Previous(name), got {source!r}."
            )
    if not sources:
        raise ValueError(f"Graph.nodes.{reader} reads nothing: name its input.")
    return Wire(tuple(sources), joined)


def check_names(wires: dict[str, Wire], inputs: Sequence[str]) -> None:
    """Refuse nodes that read what is not there."""
    known = [*wires, *inputs]
    for reader, wire in wires.items():
        for name in wire.names:
            if name not in known:
                raise ValueError(
                    f"Graph.nodes.{reader} reads {name!r}, which is neither a node nor an "
                    f"input.{checks.nearest(name, known)} It has {', '.join(known)}."
                )


def outputs_of(wires: dict[str, Wire], output: str | Sequence[str] | None) -> list[str]:
    """The nodes that `output` names, or the only one that no other reads."""
    if output is not None:
        names = [output] if isinstance(output, str) else list(output)
        if not names:
            raise ValueError("Graph.output must name at least one node.")
        return [checks.one_of(name, wires, "Graph.output") for name in names]
    read = {name for reader, w in wires.items() for name in w.names if name != reader}
    ends = [name for name in wires if name not in read]
    if len(ends) != 1:
        found = f"{ends} are read by no other" if ends else "every node is read by another"
        raise ValueError(f"Graph.output must be given: {found}.")
    return ends


def execution_order(
    wires: dict[str, Wire], inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Groups of nodes, each to run after those before it.

    A group of several is one that feeds back to itself through `Previous`. Refuses cycles
    within the step, and nodes or inputs that no output depends on.
    """
    now = {n: [name for name in w.now if name in wires] for n, w in wires.items()}
    ever = {n: [name for name in w.names if name in wires] for n, w in wires.items()}
    try:
        graphlib.TopologicalSorter(now).prepare()
    except graphlib.CycleError as error:
        path = " -> ".join(error.args[1])
        raise ValueError(
            f"Graph.nodes feed back to themselves within one step: {path}. Let one of them "
            f"read Previous({error.args[1][0]!r}), its output of the step before."
        ) from None
    within = _sources_first(wires, now)
    group_of = _feedback_groups(wires, ever)
    groups: dict[int, list[str]] = {}
    for name in within:
        groups.setdefault(group_of[name], []).append(name)
    before = {
        g: [group_of[s] for n in members for s in ever[n] if group_of[s] != g]
        for g, members in groups.items()
    }
    order = _sources_first([group_of[name] for name in outputs], before)
    used = [name for g in order for name in groups[g]]
    read = {name for reader in used for name in wires[reader].names}
    unused = [n for n in wires if n not in used] + [n for n in inputs if n not in read]
    if unused:
        raise ValueError(
            f"Graph has {', '.join(unused)}, on which no output depends. Leave out what is "
            "not needed, or name it in output=."
        )
    return tuple(tuple(groups[g]) for g in order)


def _sources_first(starts: Iterable[Any], before: dict[Any, list[Any]]) -> list[Any]:
    """All that `starts` depend on, and they, each right after the last thing it waits for."""
    done, stack = {}, list(starts)[::-1]
    while stack:
        waits_for = [x for x in before[stack[-1]] if x not in done]
        if waits_for:
            stack.append(waits_for[0])
        else:
            done[stack.pop()] = True
    return list(done)


def _feedback_groups(wires: dict[str, Wire], ever: dict[str, list[str]]) -> dict[str, int]:
    """By node, the number of its strongly connected component."""
    from scipy.sparse.csgraph import connected_components

    names = list(wires)
    reads = np.array([[s in ever[n] for s in names] for n in names], dtype=int)
    _, labels = connected_components(reads, connection="strong")
    return dict(zip(names, map(int, labels), strict=True))
