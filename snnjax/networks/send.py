"""What a step's spikes do: each projection pushes them into a buffer of its target."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, UInt32

from snnjax.connect import bits
from snnjax.connect.events import push
from snnjax.networks.population import Fired, PopulationState
from snnjax.networks.projection import Ends
from snnjax.synapses import AbstractRelease


class Sent(NamedTuple):
    """What the sources of a projection send in a step."""

    amount: Float[Array, "*n"]
    active: UInt32[Array, "*words"]  # bits of those whose amount is not 0
    support: UInt32[Array, "*words"]  # bits of those whose amount may have a tangent


class Senders:
    """What parts of populations send in a step, each packed once."""

    def __init__(self, populations: dict[str, PopulationState], fired: dict[str, Fired]):
        self.populations, self.fired = populations, fired
        self.packed: dict[Any, Sent] = {}

    def of(self, ends: Ends) -> Sent:
        """The spikes of the sources."""
        key = ends.source, ends.source_slice
        if key not in self.packed:
            spikes, support = (_cut(x, ends) for x in self.fired[ends.source])
            active = bits.pack(lax.stop_gradient(spikes) != 0)
            self.packed[key] = Sent(spikes, active, bits.pack(support))
        return self.packed[key]

    def through(self, release: AbstractRelease, state: Any, ends: Ends, dt) -> Any:
        """(state of the release, what it sends at the sources' spikes and potentials)."""
        sent = self.of(ends)
        v = getattr(self.populations[ends.source].neuron, "v", None)
        v = None if v is None else _cut(v, ends)
        state, amount = release.step(state, (sent.amount, v), dt)
        if release.event:
            support = sent.active | sent.support
            return state, Sent(amount, sent.active, support)
        every = bits.pack(jnp.ones(amount.shape, bool))
        return state, Sent(amount, every, every)


def _cut(x: Float[Array, "... n"], ends: Ends) -> Float[Array, "... m"]:
    first, last = ends.source_slice
    return x if (first, last) == (0, x.shape[-1]) else x[..., first:last]


def send(
    buffer: Array,
    sent: Sent,
    weight: Any,
    shift: Int[Array, ""],
    rows: Any,
    own: bool = False,
) -> Any:
    """(`buffer` with what was sent added, `weight`); leading axes are a batch.

    `own`: whether each item of a batch has weights of its own.
    """
    one = lambda b, s, w: push(b, s.amount, w, s.active, s.support, shift, rows)
    of_weight = 0 if own else None
    for _ in range(buffer.ndim - 1):
        one = jax.vmap(one, in_axes=(0, 0, of_weight), out_axes=(0, of_weight))
    return one(buffer, sent, weight)


def due(ring: Array, step: Int[Array, ""], size: int) -> Int[Array, ""]:
    """Where in a ring of `size` neurons a step that which arrives after `step` is."""
    slots = ring.shape[-1] // size
    return (step + 1) % slots * size


def arrive(ring: Array, first: Int[Array, ""], size: int) -> tuple[Array, Array]:
    """(the ring without what is due at `first`, that)."""
    arriving = lax.dynamic_slice_in_dim(ring, first, size, -1)
    # Read before it is overwritten, or XLA copies the whole ring.
    ring, arriving = lax.optimization_barrier((ring, arriving))
    empty = jnp.zeros_like(arriving)
    return lax.dynamic_update_slice_in_dim(ring, empty, first, -1), arriving


def after(sent: list[Array], x: Array) -> Array:
    """A number `x`, which XLA cannot know before `sent`: what is last added up.

    Weights that change by it are so read by what was sent before they are overwritten. In
    another order XLA copies them all in each step, and by jax 0.9 it drops a barrier here.
    """
    # No number is above infinity.
    none = [jnp.ravel(y)[0] > jnp.inf for y in sent]
    return sum((y.astype(x.dtype) for y in none), x)
