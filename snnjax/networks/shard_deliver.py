"""What each device of a sharded network does in a step: tell, be told, and add up."""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from snnjax.connect import bits
from snnjax.connect.rows import SparseRows
from snnjax.networks.send import Sent, arrive, due, send
from snnjax.networks.shard_exchange import Emitted, Exchange, Received, pack


class Route(NamedTuple):
    """Whose spikes a projection takes, and where to."""

    emitter: str  # a population, or the projection itself if it has a release
    bounds: tuple[int, int]
    port: str
    ordered: bool  # whether its rows are in the order of the neurons, not of the `Lineup`


class Mail(NamedTuple):
    """Where a spike is between its step and the k-th after it; [k, *n]."""

    own: dict[str, Emitted]  # of this device, since the last exchange
    whole: Received  # of all, of the exchange before


class Office(NamedTuple):
    """What is the same on all devices and in all steps.

    - `routes`: by projection. `blocks`: by port, neurons on each device. `period`: k.
    """

    routes: dict[str, Route]
    blocks: dict[str, int]
    exchange: Exchange
    period: int

    def told(
        self, own: dict[str, Emitted], mail: Mail | None, step: Int[Array, ""]
    ) -> tuple[Received, Mail | None]:
        """(what is pushed at the end of `step`, the mail) when a device has emitted `own`.

        It is what was emitted k - 1 steps ago. All of k steps is exchanged at once.
        """
        if mail is None:
            return Received(*(part(own) for part in self._parts())), None
        put = lambda rows, x: lax.dynamic_update_index_in_dim(
            rows, x, step % self.period, 0
        )
        own, place = jax.tree.map(put, mail.own, own), (step + 1) % self.period
        # One condition for each part, so that XLA can leave out the part that nobody reads.
        renew = lambda part, old: lax.cond(place == 0, part, lambda _: old, own)
        whole = Received(*map(renew, self._parts(), mail.whole))
        at = lambda x: lax.dynamic_index_in_dim(x, place, keepdims=False)
        return jax.tree.map(at, whole), Mail(own, whole)

    def _parts(self) -> tuple[Any, ...]:
        return self.exchange.amounts, self.exchange.active, self.exchange.support

    def push(
        self,
        buffers: dict[str, Array],
        pushes: dict[str, Any],
        now: Received,
        step: Any,
        own: Iterable[str] = (),
    ) -> tuple[dict[str, Array], dict[str, Any], Int[Array, ""]]:
        """(buffers, `credited` of the weights, overflows) with the spikes `now`, of `step`, in.

        - `pushes`: by projection, its weights and its rows. `own`: those where each item of a
          batch has its own weights.
        """
        buffers, credited, sent_by, overflows = dict(buffers), {}, {}, jnp.int32(0)
        for name, (emitter, bounds, port, ordered) in self.routes.items():
            weights, rows = pushes[name]
            key = emitter, bounds if ordered else None
            if key not in sent_by:
                sent = Sent(*(x[emitter] for x in now))
                sent_by[key] = self._in_order(sent, emitter, bounds) if ordered else sent
            sent, buffer = sent_by[key], buffers[port]
            shift = due(buffer, step, self.blocks[port])
            buffers[port], weights = send(buffer, sent, weights, shift, rows, name in own)
            credited[name] = weights.credited
            if isinstance(rows, SparseRows):
                overflows += jnp.any(bits.count(sent.active) > rows.capacity)
        return buffers, credited, overflows

    def _in_order(self, sent: Sent, emitter: str, bounds: tuple[int, int]) -> Sent:
        """`sent` by the neurons `bounds`, in their order."""
        lineup = self.exchange.lineups[emitter]
        unpack = jnp.vectorize(partial(bits.unpack, n=lineup.n), signature="(w)->(n)")
        part = lambda x: lineup.in_order(x)[..., slice(*bounds)]
        again = lambda words: pack(part(unpack(words)))
        return Sent(part(sent.amount), again(sent.active), again(sent.support))

    def arrive(self, rings: dict[str, Array], step: Any) -> dict[str, tuple[Array, Array]]:
        """By port: (the ring without what arrives at the end of `step`, that)."""
        return {
            port: arrive(ring, due(ring, step, self.blocks[port]), self.blocks[port])
            for port, ring in rings.items()
        }

    def flush(
        self, rings: dict[str, Array], pushes: dict[str, Any], mail: Mail, step: Any
    ) -> tuple[dict[str, Array], Int[Array, ""]]:
        """(rings, overflows) with all in them that was emitted before `step`."""
        k = self.period
        both = lambda *x: jnp.concatenate(x)
        late = Received(*(part(mail.own) for part in self._parts()))
        spikes = jax.tree.map(both, mail.whole, late)
        steps = (step // k - 1) * k + jnp.arange(2 * k)
        left = (steps > step - k) & (steps < step)

        def one(carry, at):
            rings, overflows = carry
            now, step, left = at
            only = lambda x: jax.tree.map(lambda x: jnp.where(left, x, 0), x)
            now = Received(now.amount, only(now.active), only(now.support))
            rings, _, more = self.push(rings, pushes, now, step)
            return (rings, overflows + more), None

        return lax.scan(one, (rings, jnp.int32(0)), (spikes, steps, left))[0]


def first(tree: Any) -> Any:
    """What one device has of arrays with a first axis of devices."""
    return jax.tree.map(lambda x: x[0], tree)


def stacked(tree: Any) -> Any:
    """The inverse of `first`."""
    return jax.tree.map(lambda x: jnp.asarray(x)[None], tree)
