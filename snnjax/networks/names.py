"""Names of populations, parts, receptors and projections, and what is wrong with them."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from snnjax.core.checks import nearest
from snnjax.networks.population import Population
from snnjax.networks.projection import Ends, Projection
from snnjax.networks.source import Source
from snnjax.networks.state import Place
from snnjax.synapses import AbstractRelease


def checked(populations: dict[str, Population]) -> dict[str, Population]:
    """Populations in the order they are given in; refuses what are none."""
    if not isinstance(populations, dict) or not populations:
        raise ValueError(
            "Network.populations must be a dict of at least one population by name, such "
            f"as dict(cells=Population(LIF(), 100)), got {populations!r}."
        )
    for name, p in populations.items():
        if not isinstance(p, Population):
            raise ValueError(
                f"Network.populations[{name!r}] must be a Population, got {p!r}."
            )
    return OrderedDict(populations)  # of a plain one jax sorts the names


def places_of(populations: dict[str, Population]) -> Iterator[tuple[str, Place]]:
    """Each population and each part of one, with where it is; refuses names given twice."""
    seen, offset = set(), 0
    for name, p in populations.items():
        first, found = 0, [(name, Place(name, 0, p.size, offset))]
        for part, size in p.parts:
            found.append((part, Place(name, first, first + size, offset)))
            first += size
        for one, place in found:
            if not one or one in seen or "." in one:
                raise ValueError(
                    f"The name {one!r} of a population or part must be unique in its network, "
                    "not empty and without a dot."
                )
            seen.add(one)
            yield one, place
        offset += p.size


def place_of(name: str, places: dict[str, Place], what: str) -> Place:
    """Where `name` is; refuses what is not there."""
    if name not in places:
        raise ValueError(
            f"{what}={name!r} is no population or part.{nearest(name, places)} "
            f"The network has {', '.join(places)}."
        )
    return places[name]


def receptor_of(name: str | None, population: str, p: Population, what: str) -> str:
    """The receptor `name` of a population, or its only one."""
    known = list(p.receptors)
    if not known:
        raise ValueError(
            f"{what}: the population {population!r} has no receptors. Give "
            "Population.receptors, such as dict(ampa=Exponential(5.0))."
        )
    if name is None and len(known) == 1:
        return known[0]
    if name not in known:
        given = "must be given" if name is None else f"{name!r} is not there"
        raise ValueError(
            f"{what}: receptor= {given}.{nearest(str(name), known)} The population "
            f"{population!r} has {', '.join(known)}."
        )
    return name


def ends_of(
    spec: Projection,
    places: dict[str, Place],
    populations: dict[str, Population],
    electrical: bool = False,
) -> Ends:
    """Where `spec` starts and ends; `electrical` synapses have no receptor."""
    source = place_of(spec.source, places, "Projection.source")
    target = place_of(spec.target, places, "Projection.target")
    what = f"Projection {spec.source}->{spec.target}"
    name = target.population
    if not isinstance(spec.release, AbstractRelease | None):
        raise ValueError(
            f"{what}: release must be a release such as TsodyksMarkram(), got {spec.release!r}."
        )
    if isinstance(populations[source.population].neuron, Source) and (
        electrical or not (spec.release is None or spec.release.event)
    ):
        raise ValueError(
            f"{what}: {source.population!r} gives spikes from outside and has no potential, "
            "which gap junctions and graded release read."
        )
    receptor = (
        "" if electrical else receptor_of(spec.receptor, name, populations[name], what)
    )
    return Ends(source.population, source.bounds, name, target.bounds, receptor)


def name_of(spec: Projection, taken: dict[str, Any]) -> str:
    """The name of a projection: its own, or "source->target", numbered if that is taken."""
    if spec.name is not None:
        if spec.name in taken or "." in spec.name:
            raise ValueError(
                f"Projection.name={spec.name!r} must be unique in its network, without a dot."
            )
        return spec.name
    base = name = f"{spec.source}->{spec.target}"
    n = 1
    while name in taken:
        n += 1
        name = f"{base} {n}"
    return name
