"""A network of integrate-and-fire neurons followed from event to event."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from snnjax.core.parameters import map_parameters, parameters
from snnjax.networks.event_crossing import after, time_to_threshold


class Pending(NamedTuple):
    """Spikes on their way, one a slot."""

    sent: Float[Array, "slots"]  # ms
    synapse: Int[Array, "slots"]  # the next to reach, ordered by source, then by delay


class EventState(NamedTuple):
    """A network at a time: its neurons, and the spikes on their way."""

    t: Float[Array, ""]  # ms
    neurons: Any  # the neuron's own state
    pending: Pending


class Synapses(NamedTuple):
    """Ordered by source, then by delay, and one more, which never delivers."""

    pre: Int[Array, "synapses"]
    post: Int[Array, "synapses"]
    weight: Float[Array, "synapses"]
    delay: Float[Array, "synapses"]  # ms
    first: Int[Array, "n"]  # of each neuron; the last of all if it has none

    @classmethod
    def ordered(cls, pre, post, weight, delay, n: int) -> "Synapses":
        order = jnp.lexsort((jax.lax.stop_gradient(delay), pre))
        pre, post, weight, delay = (
            jnp.append(x[order], end)
            for x, end in ((pre, n), (post, 0), (weight, 0), (delay, jnp.inf))
        )
        first = jnp.searchsorted(pre, jnp.arange(n)).astype(jnp.int32)
        none = pre[first] != jnp.arange(n)
        return cls(pre, post, weight, delay, jnp.where(none, len(pre) - 1, first))

    @property
    def none(self) -> int:
        return len(self.pre) - 1


class External(NamedTuple):
    """Arrivals from outside, in order of time, and a last one at infinity."""

    times: Float[Array, "arrivals"]  # ms
    target: Int[Array, "arrivals"]
    weight: Float[Array, "arrivals"]

    @classmethod
    def ordered(cls, times, target, weight, start, n: int) -> "External":
        """Those from `start` on, after an arrival of nothing at each of `n` neurons."""
        times = jnp.where(times >= start, times, jnp.inf)  # neither the past nor NaN
        order = jnp.argsort(jax.lax.stop_gradient(times))
        parts = (
            (jnp.broadcast_to(start, n), times, jnp.inf),
            (jnp.arange(n, dtype=target.dtype), target, 0),
            (jnp.zeros(n, weight.dtype), weight, 0),
        )
        one = lambda first, x, last: jnp.append(jnp.concatenate([first, x[order]]), last)
        return cls(*(one(*part) for part in parts))


class Event(NamedTuple):
    """What comes next: an arrival (from outside or by `slot`) or the spike of a neuron."""

    t: Float[Array, ""]
    external: Any
    arrival: Any
    slot: Any
    neuron: Any


class EventLoop(eqx.Module):
    """All of a run but its state. Every parameter of `neurons` has one value a neuron."""

    neurons: Any
    current: Float[Array, "n"]  # pA
    synapses: Synapses
    external: External
    end: Float[Array, ""]  # ms
    max_spikes: int = eqx.field(static=True)
    max_pending: int = eqx.field(static=True)
    n_events: int | None = eqx.field(static=True)

    def neuron(self, n: Any) -> Any:
        """Neuron number `n` alone."""
        own = {name for name, _, spec in parameters(self.neurons) if spec.per_neuron}
        return map_parameters(lambda name, x: x[n] if name in own else x, self.neurons)

    def run(self, start: EventState) -> tuple[EventState, dict[str, Any]]:
        """(the network where it stopped, what was kept and why it stopped)."""
        c = self.opened(start)
        if self.n_events is None:
            c = jax.lax.while_loop(lambda c: ~c["stop"], lambda c: self.happen(c), c)
        else:
            c, _ = jax.lax.scan(
                lambda c, _: (self.happen(c), None),
                c,
                length=self.n_events + len(self.current),
            )
        event = self.next_event(c)
        early = event.t < self.end
        t = jnp.where(early, event.t, self.end)
        full = early & ~event.arrival & (c["count"] >= self.max_spikes)
        crowded = early & ~full & self.crowded(c, event)
        neurons = self.moved(c, slice(None), t)
        if getattr(self.neurons, "t_ref", None) is not None:
            left = jnp.where(c["free"] > t, c["free"] - t, 0)
            neurons = neurons._replace(refractory=left)
        pending = Pending(c["sent"], c["synapse"])
        kept = dict(times=c["times"], indices=c["indices"], count=c["count"])
        return EventState(t, neurons, pending), kept | dict(
            events=c["events"], early=early, full=full, crowded=crowded, reached=t
        )

    def opened(self, start: EventState) -> dict[str, Any]:
        """What the loop carries, from `start`."""
        t, neurons, pending = start
        zero = jnp.zeros_like(self.current)
        free = zero - jnp.inf if neurons.refractory is None else t + neurons.refractory
        more = max(self.max_pending - len(pending.sent), 0)
        sent = jnp.pad(pending.sent, (0, more))
        synapse = jnp.pad(pending.synapse, (0, more), constant_values=self.synapses.none)
        return dict(
            at=zero + t,  # ms, when each neuron had its `state`
            state=neurons._replace(refractory=None),
            free=free,  # ms, until when v is held
            fires=zero + jnp.inf,  # ms, when it will if nothing arrives
            sent=sent,
            synapse=synapse,
            due=sent + self.synapses.delay[synapse],
            external=jnp.int32(0),
            times=jnp.full(self.max_spikes, jnp.nan, t.dtype),
            indices=jnp.full(self.max_spikes, -1, jnp.int32),
            count=jnp.int32(0),
            events=jnp.int32(-len(self.current)),  # each neuron is looked at once, at first
            stop=jnp.asarray(False),
        )

    def next_event(self, c: dict[str, Any]) -> Event:
        """Of events at one time, arrivals come first, and a lower number before a higher."""
        slot, neuron = jnp.argmin(c["due"]), jnp.argmin(c["fires"])
        outside, due = self.external.times[c["external"]], c["due"][slot]
        external = outside <= due
        t = jnp.where(external, outside, due)
        arrival = t <= c["fires"][neuron]
        synapse = c["synapse"][slot]
        target = jnp.where(
            external, self.external.target[c["external"]], self.synapses.post[synapse]
        )
        t = jnp.where(arrival, t, c["fires"][neuron])
        return Event(t, external, arrival, slot, jnp.where(arrival, target, neuron))

    def crowded(self, c: dict[str, Any], event: Event) -> Any:
        """Whether the spike `event` finds no slot."""
        sends = self.synapses.first[event.neuron] < self.synapses.none
        return ~event.arrival & sends & (c["due"] < jnp.inf).all()

    def happen(self, c: dict[str, Any]) -> dict[str, Any]:
        """The next event, or nothing if there is none or no room for it."""
        event = self.next_event(c)
        on = (event.t < self.end) & ~self.crowded(c, event)
        on &= event.arrival | (c["count"] < self.max_spikes)
        n, synapses = event.neuron, self.synapses
        # Where nothing happens all numbers stay finite, as gradients want.
        t = jnp.where(on, event.t, c["at"][n])
        before, neuron = self.moved(c, n, t), self.neuron(n)
        synapse = c["synapse"][event.slot]
        weight = jnp.where(
            event.external,
            self.external.weight[c["external"]],
            synapses.weight[synapse],
        )
        arrived = arrive(neuron, before, weight, t < c["free"][n])
        fired = neuron.reset(before, before, jnp.ones_like(before.v), 0.0)
        state = jax.tree.map(lambda a, b: jnp.where(event.arrival, a, b), arrived, fired)
        free = c["free"][n]
        if neuron.t_ref is not None:
            free = jnp.where(event.arrival, free, t + neuron.t_ref)

        spike = on & ~event.arrival
        here = jnp.where(on, n, len(self.current))
        moves = on & ~(event.arrival & event.external)
        slot = jnp.where(event.arrival, event.slot, jnp.argmax(c["due"] == jnp.inf))
        place = jnp.where(moves, slot, len(c["due"]))
        same = synapses.pre[synapse + 1] == synapses.pre[synapse]
        following = jnp.where(same, synapse + 1, synapses.none)
        following = jnp.where(event.arrival, following, synapses.first[n])
        sent = jnp.where(event.arrival, c["sent"][event.slot], t)
        row = jnp.where(spike, c["count"], self.max_spikes)
        return dict(
            at=_put(c["at"], here, t),
            state=jax.tree.map(lambda x, y: _put(x, here, y), c["state"], state),
            free=_put(c["free"], here, free),
            fires=_put(c["fires"], here, self.coming(n, state, t, free)),
            sent=_put(c["sent"], place, sent),
            synapse=_put(c["synapse"], place, following),
            due=_put(c["due"], place, sent + synapses.delay[following]),
            external=c["external"] + (on & event.arrival & event.external),
            times=_put(c["times"], row, t),
            indices=_put(c["indices"], row, n),
            count=c["count"] + spike,
            events=c["events"] + on,
            stop=~on,
        )

    def moved(self, c: dict[str, Any], n: Any, t: Any) -> Any:
        """Neuron `n` (or all) at time `t`, when nothing happened since it was last touched."""
        neuron, current = self.neuron(n), self.current[n]
        state = jax.tree.map(lambda x: x[n], c["state"])
        at, free = c["at"][n], c["free"][n]
        released = jnp.where(free > at, jnp.where(free < t, free, t), at)
        state = wait(neuron, state, current, released - at)
        return after(neuron, state, current, t - released)

    def coming(self, n: Any, state: Any, t: Any, free: Any) -> Any:
        """When neuron `n` fires if nothing arrives, with `state` at time `t`."""
        held = jnp.where(free > t, free - t, 0)
        neuron, current = self.neuron(n), self.current[n]
        state = wait(neuron, state, current, held)
        horizon = self.end - t - held
        return t + held + time_to_threshold(neuron, state, current, horizon)


def wait(neuron: Any, state: Any, current: Any, time: Any) -> Any:
    """The state after `time` ms in which v is held."""
    if neuron.t_ref is None:
        return state
    return after(neuron, state, current, time)._replace(v=state.v)


def arrive(neuron: Any, state: Any, weight: Any, held: Any) -> Any:
    """`state` once a spike of `weight` is in: mV on v unless it is held, or pA."""
    if not hasattr(state, "i_syn"):
        return state._replace(v=state.v + jnp.where(held, 0, weight))
    if neuron.tau_inh is None:
        return state._replace(i_syn=state.i_syn + weight)
    return state._replace(
        i_syn=state.i_syn + jnp.where(weight >= 0, weight, 0),
        i_inh=state.i_inh + jnp.where(weight < 0, weight, 0),
    )


def _put(buffer: Array, i: Any, x: Any) -> Array:
    return buffer.at[i].set(x.astype(buffer.dtype), mode="drop")
