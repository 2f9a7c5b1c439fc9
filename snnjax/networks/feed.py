"""The input of a step of a network, by name."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from snnjax.core.checks import nearest
from snnjax.networks.names import place_of, places_of, receptor_of
from snnjax.networks.population import Population
from snnjax.networks.projection import Synapses
from snnjax.networks.source import Source
from snnjax.networks.state import Place


def by_population(
    input: Any, populations: dict[str, Population]
) -> tuple[dict[str, list[Any]], dict[str, dict[str, Any]]]:
    """(currents of each population, what arrives at each of its receptors) in a step.

    `input` is None, a dict by name of a population, a part or "population.receptor", or the
    current of the only population.
    """
    currents: dict[str, list[Any]] = {name: [] for name in populations}
    arrivals: dict[str, dict[str, Any]] = {name: {} for name in populations}
    if input is None:
        return currents, arrivals
    if not isinstance(input, dict):
        if len(populations) > 1:
            raise ValueError(
                "The input of a Network of several populations must be a dict by name, "
                f"such as {{'{next(iter(populations))}': current}}."
            )
        input = {next(iter(populations)): input}
    places = dict(places_of(populations))
    for name, value in input.items():
        part, dot, receptor = name.partition(".")
        place = place_of(part, places, "Network input")
        own = populations[place.population]
        value = _widened(value, place, own.size, name)
        if isinstance(own.neuron, Source):
            raise ValueError(
                f"Network input {name!r}: {place.population!r} gives spikes of its own and "
                "takes no input. Leave it out, or use a population of neurons."
            )
        if not dot:
            currents[place.population].append(value)
            continue
        key = receptor_of(receptor, place.population, own, f"Network input {name!r}")
        into = arrivals[place.population]
        into[key] = into[key] + value if key in into else value
    return currents, arrivals


def modulators(
    input: Any, synapses: dict[str, Synapses]
) -> tuple[dict[str, dict[str, Any]], Any]:
    """(what learning rules are told, by projection and signal; the rest of the input)."""
    plastic = {name: s.learning for name, s in synapses.items() if s.learning is not None}
    signals: dict[str, dict[str, Any]] = {name: {} for name in plastic}
    if not plastic or not isinstance(input, dict):
        return signals, input
    rest = {}
    for name, value in input.items():
        projection, _, signal = name.rpartition(".")
        if projection not in plastic:
            rest[name] = value
            continue
        needs = plastic[projection].needs
        if signal not in needs:
            raise ValueError(
                f"Network input {name!r}: {type(plastic[projection]).__name__} takes no signal "
                f"{signal!r}.{nearest(signal, needs)} It takes {', '.join(needs) or 'none'}."
            )
        signals[projection][signal] = value
    return signals, rest


def _widened(value: Any, place: Place, size: int, name: str) -> Array:
    """An input of a part as one of its population; 0 elsewhere."""
    n = place.last - place.first
    if jnp.ndim(value) and value.shape[-1] not in (1, n):
        raise ValueError(
            f"Network input {name!r} must be one number or one value a neuron for {n} "
            f"neurons, got shape {value.shape}."
        )
    if n == size:
        return value
    value = jnp.broadcast_to(value, (*jnp.shape(value)[:-1], n))
    ends = [(0, 0)] * (value.ndim - 1) + [(place.first, size - place.last)]
    return jnp.pad(value, ends)
