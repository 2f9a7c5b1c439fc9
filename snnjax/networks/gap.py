"""Gap junctions: electrical synapses, which conduct both ways at every moment."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.connect import bits
from snnjax.connect.events import Weights, pull, push
from snnjax.networks.population import PopulationState
from snnjax.networks.projection import Ends, Projection, Synapses


class GapJunction(eqx.Module):
    r"""Electrical coupling, in the list of projections of a `Network`.

    A junction of conductance w between neurons i and j gives i the current $w (v_j - v_i)$ and j
    the opposite. The partner's potential is that at the start of the step, a neuron's own enters
    its integrator as any conductance does; the error is of order 1 in dt.

    - `source`, `target`: names of populations or parts. `wiring`: a rule or `Edges`; each of its
      synapses is one junction, and conducts both ways.
    - `weight`: conductance, nS: a number, an array, a distribution or a function of distance.
    - `name`: by default "source->target".
    """

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    wiring: Any
    weight: Any = 1.0
    name: str | None = eqx.field(default=None, static=True, kw_only=True)

    @property
    def projection(self) -> Projection:
        """What draws its synapses."""
        return Projection(
            self.source, self.target, self.wiring, self.weight, name=self.name
        )


def coupling(synapses: Synapses, sizes: dict[str, int], dt) -> tuple[Any, Any, Any, Any]:
    """(weights, rows, conductance of each source, of each target) of gap junctions."""
    weights, rows = synapses.rows(dt, sizes[synapses.ends.target], 1)
    dtype = weights.read.dtype
    ones = jnp.ones(rows.n, dtype), jnp.ones(sizes[synapses.ends.target], dtype)
    into_target, into_source = _through(weights, rows, *ones)
    return weights, rows, into_source, into_target


def drives(
    ends: Ends, coupled: tuple[Any, ...], populations: dict[str, PopulationState]
) -> list[tuple[str, Any]]:
    """The currents of gap junctions as functions of v, each with its population."""
    weights, rows, of_source, of_target = coupled
    first, last = ends.source_slice
    v_source = populations[ends.source].neuron.v
    v_target = populations[ends.target].neuron.v
    one = lambda v, w: _through(weights, rows, v, w)
    for _ in range(v_source.ndim - 1):
        one = jax.vmap(one)
    into_target, into_source = one(v_source[..., first:last], v_target)
    around = [(first, v_source.shape[-1] - last)]
    widened = lambda x: jnp.pad(x, [(0, 0)] * (x.ndim - 1) + around)
    into_source, of_source = widened(into_source), widened(of_source)
    return [
        (ends.target, lambda v: into_target - of_target * v),
        (ends.source, lambda v: into_source - of_source * v),
    ]


def _through(
    weights: Weights, rows: Any, source: Float[Array, "n"], target: Float[Array, "m"]
) -> tuple[Float[Array, "m"], Float[Array, "n"]]:
    """(weights times what the sources have, weights times what the targets have)."""
    every = bits.pack(jnp.ones(rows.n, bool))
    none = jnp.zeros_like(target)
    into_target, _ = push(none, source, weights, every, every, 0, rows)
    return into_target, pull(target, weights.read, every, 0, rows)
