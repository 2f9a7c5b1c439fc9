"""Where a network starts, if not at rest."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from snnjax.connect import AbstractDistribution
from snnjax.core.checks import finite, nearest
from snnjax.core.run import RunState
from snnjax.networks.names import place_of, places_of
from snnjax.networks.network import Network


def initial_state(
    network: Network, values: dict[str, Any], *, dt: Any, key: Any = None
) -> RunState:
    """The state from which `simulate(network, ..., state=...)` starts; all else is at rest.

        state = initial_state(
            network, {"cells.v": connect.Uniform(-60, -50), "exc.ampa": 4.0}, dt=0.1, key=key
        )

    - `values`: by "population.field" or "part.field", where a field is one of the neuron's
      state, such as "v", or a receptor, of which what arriving weights add to is set. A
      number, one value a neuron, or a distribution to draw from.
    - `dt`: ms, of the run. `key`: for distributions, and for stochastic neurons.
    """
    state = network.init(dt=dt, key=key)
    places = dict(places_of(network.populations))
    for i, (name, value) in enumerate(values.items()):
        part, _, field = name.partition(".")
        place = place_of(part, places, f"initial_state: {name!r}, population")
        n, what = place.last - place.first, f"initial_state: {name!r}"
        if isinstance(value, AbstractDistribution):
            if key is None:
                raise ValueError(f"{what} is drawn from a distribution: give key=.")
            value = _drawn(value, key, np.int32(i), n)
        value = finite(value, what)
        if value.shape not in ((), (n,)):
            raise ValueError(
                f"{what} must be one number or one value a neuron for {n} neurons, got shape "
                f"{value.shape}."
            )
        where = _where(network, state, place.population, field, what)
        own = slice(place.first, place.last)
        state = eqx.tree_at(where, state, where(state).at[own].set(value))
    return RunState(state)


@eqx.filter_jit  # each operation by itself would be compiled, too
def _drawn(distribution: AbstractDistribution, key: Any, i: Any, n: int) -> Array:
    return distribution.sample(jax.random.fold_in(key, i), (n,))


def _where(network: Network, state: Any, population: str, field: str, what: str) -> Any:
    """The function that finds a field in the state of a network."""
    receptors = network.populations[population].receptors
    if field in receptors:
        port = receptors[field].port
        return lambda s: getattr(s.populations[population].receptors[field], port)
    neuron = state.populations[population].neuron
    known = [k for k, x in neuron._asdict().items() if eqx.is_inexact_array(x)]
    if field not in known:
        known = [*known, *receptors]
        raise ValueError(
            f"{what}: there is no field or receptor {field!r}.{nearest(field, known)} The "
            f"population {population!r} has {', '.join(known)}."
        )
    return lambda s: getattr(s.populations[population].neuron, field)
