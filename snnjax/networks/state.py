"""The state of a network, and what the names in it mean."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Int

from snnjax.core.checks import nearest
from snnjax.networks.population import PopulationState


class Place(NamedTuple):
    """Neurons first .. last (exclusive) of a population, and where that begins in the output."""

    population: str
    first: int
    last: int
    offset: int

    @property
    def bounds(self) -> tuple[int, int]:
        return self.first, self.last


class NetworkState(eqx.Module):
    """All that changes in a network.

    - `populations`: neurons and receptors, by name. A receptor's state holds what arrives at
      the start of the next step.
    - `waiting`: by "population.receptor", a ring of what arrives in later steps, flat
      [steps * neurons]. `releases`: by projection.
    - `learned`: weights of plastic projections and what their rules keep, by projection.
    - `step`: steps taken. `overflowed`: how often more neurons fired at once than a device
      with lists adds in one round; it then takes further rounds, and nothing is lost.
    - `opened`: what a loop over many steps has prepared, None elsewhere.
    - `places`: where populations and their parts are.
    """

    populations: dict[str, PopulationState]
    waiting: dict[str, Array]
    releases: dict[str, Any]
    step: Int[Array, ""]
    overflowed: Int[Array, ""]
    opened: dict[str, Any] | None
    places: tuple[tuple[str, Place], ...] = eqx.field(static=True)
    learned: dict[str, Any] = eqx.field(default_factory=dict)

    def part(self, name: str, output: Any) -> tuple[dict[str, Any], Any]:
        """(state by field and by receptor, spikes) of a population or a part of one.

        Of a plastic projection, its `weight` and `traces`.
        """
        places = dict(self.places)
        if name in self.learned:
            learned = self.learned[name]
            return dict(weight=learned.weight, traces=learned.traces), output[..., :0]
        if name not in places:
            known = [*places, *self.learned]
            raise ValueError(
                f"There is no population, part or plastic projection {name!r}."
                f"{nearest(name, known)} The network has {', '.join(known)}."
            )
        place = places[name]
        neuron, receptors = self.populations[place.population]
        fields = {**neuron._asdict(), **receptors}
        n = _size(self.places, place.population)
        cut = lambda x: x[..., place.first : place.last] if _has(x, n) else x
        begin = place.offset + place.first
        return jax.tree.map(cut, fields), output[
            ..., begin : begin + place.last - place.first
        ]


def _has(x: Any, n: int) -> bool:
    return eqx.is_array(x) and x.shape[-1:] == (n,)


def _size(places, population: str) -> int:
    return dict(places)[population].last
