"""Networks of populations: one step, whose order is stated here."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.connect import bits
from snnjax.connect.events import Weights
from snnjax.connect.rows import SparseRows
from snnjax.core import checks
from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics
from snnjax.networks import gap, learning
from snnjax.networks.feed import by_population, modulators
from snnjax.networks.gap import GapJunction
from snnjax.networks.names import checked, ends_of, name_of, places_of
from snnjax.networks.population import Fired, Population, PopulationState
from snnjax.networks.projection import Projection, Synapses
from snnjax.networks.send import Senders, arrive, due, send
from snnjax.networks.state import NetworkState
from snnjax.networks.summary import Summary, summarise


class Network(AbstractDynamics[NetworkState]):
    r"""Populations of neurons, joined by projections.

        cells = snn.Population(
            snn.LIF(...), 4000, dict(ampa=snn.Exponential(5.0)), parts=dict(exc=3200, inh=800)
        )
        wiring = snn.connect.PairwiseBernoulli(0.02)
        exc = snn.Projection("exc", "cells", wiring, weight=1.62, receptor="ampa")
        net = snn.Network(dict(cells=cells), [exc], key=jax.random.key(0))
        sol = snn.simulate(net, {}, dt=0.1, duration=1000.0, record=snn.SpikeCount())

    A step i covers [i dt, (i + 1) dt):

    1. Spikes that are due arrive: receptors jump by their summed weights.
    2. Receptors and neurons advance together; a linear membrane exactly (see `synapses`).
    3. Spikes are found, at the end of the step, and neurons reset.
    4. Projections send them: a delay of k steps, k >= 1, lets a spike of step i arrive at the
       start of step i + k. No delay is k = 1.
    5. Plastic projections learn from the spikes of both sides. What a source sends in the same
       step has gone by its weights of before. Of the delay, k - 1 steps pass before the
       synapse sees the spike.

    A recorded receptor is that at the end of a step, with what arrives at that moment.

    - `populations`: by name. `projections`: a list. `key`: for wiring, weights and delays that
      are random, each projection's by its place in the list.

    Input: by name a dict, or {} for none: "population" (or a part) is a current (pA),
    "population.receptor" the summed weights that arrive in a step, "projection.signal" what a
    learning rule needs, such as a reward or target spikes. Output: the spikes of all
    neurons, [n_neurons], in the order of the populations; `split` takes it apart.
    """

    populations: dict[str, Population]
    synapses: dict[str, Synapses]
    gaps: dict[str, Synapses]

    def __init__(
        self,
        populations: dict[str, Population],
        projections: Sequence[Projection | GapJunction] = (),
        *,
        key: Any = None,
    ):
        if isinstance(projections, Projection | GapJunction):
            raise ValueError("Network.projections must be a list: write [projection].")
        self.populations = checked(populations)
        places = dict(places_of(self.populations))
        self.synapses, self.gaps = OrderedDict(), OrderedDict()
        for i, spec in enumerate(projections):
            electrical = isinstance(spec, GapJunction)
            into = self.gaps if electrical else self.synapses
            if isinstance(spec, GapJunction):
                spec = spec.projection
            if not isinstance(spec, Projection):
                raise ValueError(
                    f"Network.projections[{i}] must be a Projection or a GapJunction, got {spec!r}."
                )
            own = None if key is None else checks.early(jax.random.fold_in, key, i)
            ends = ends_of(spec, places, self.populations, electrical)
            name = name_of(spec, {**self.synapses, **self.gaps})
            into[name] = Synapses.draw(spec, ends, own)

    @property
    def n_neurons(self) -> int:
        """Neurons of all populations."""
        return sum(p.size for p in self.populations.values())

    @property
    def sized(self) -> bool:
        return True

    @property
    def spiking(self) -> bool:
        return True

    def split(self, x: Float[Array, "... neurons"]) -> dict[str, Array]:
        """An array with one value a neuron, last, by population and by part."""
        return {
            name: x[..., p.offset + p.first : p.offset + p.last]
            for name, p in places_of(self.populations)
        }

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> NetworkState:
        """At rest, with nothing under way; `shape` is that of leading batch axes."""
        names = [*self.populations, *self.synapses]
        split = [None] * len(names) if key is None else jax.random.split(key, len(names))
        keys = dict(zip(names, split, strict=True))
        populations = {
            name: p.init(shape, key=keys[name], dt=dt)
            for name, p in self.populations.items()
        }
        slots = {}
        for s in self.synapses.values():
            slots[s.ends.port] = max(slots.get(s.ends.port, 1), s.slots(dt))
        waiting = {}
        for port, n in slots.items():
            if n > 1:
                like = self.arrived(populations, port)
                waiting[port] = jnp.zeros((*shape, n * like.shape[-1]), like.dtype)
        releases = {
            name: s.release.init((*shape, s.shape[0]), key=keys[name], dt=dt)
            for name, s in self.synapses.items()
            if s.release is not None
        }
        learned = learning.begin_all(self.synapses, shape, dt, model_dtype(self))
        none = jnp.int32(0)
        places = tuple(places_of(self.populations))
        return NetworkState(
            populations, waiting, releases, none, none, None, places, learned
        )

    def open(self, state: NetworkState, dt) -> NetworkState:
        opened = {}
        for name, s in self.synapses.items():
            size = self.populations[s.ends.target].size
            ring = state.waiting.get(s.ends.port)
            slots = 1 if ring is None else ring.shape[-1] // size
            opened[name] = s.rows(dt, size, slots)
        sizes = {name: p.size for name, p in self.populations.items()}
        for name, s in self.gaps.items():
            opened[name] = gap.coupling(s, sizes, dt)
        return eqx.tree_at(lambda s: s.opened, state, opened, is_leaf=lambda x: x is None)

    def close(self, state: NetworkState) -> NetworkState:
        return eqx.tree_at(
            lambda s: s.opened, state, None, is_leaf=lambda x: x is state.opened
        )

    def unroll(self, state, inputs, dt):
        """As scanning `step`, with what is common to all steps done once."""
        one = lambda state, input: self.step(state, input, dt)
        state, outputs = jax.lax.scan(one, self.open(state, dt), inputs)
        return self.close(state), outputs

    def step(
        self, state: NetworkState, input: Any, dt: Float[ArrayLike, ""]
    ) -> tuple[NetworkState, Float[Array, "neurons"]]:
        """Advance by `dt` (ms): (new state, spikes of all neurons)."""
        if state.opened is None:
            state, spikes = self.step(self.open(state, dt), input, dt)
            return self.close(state), spikes
        couplings = {name: state.opened[name] for name in self.gaps}
        signals, input = modulators(input, self.synapses)
        populations, fired = self.advance(state.populations, input, dt, couplings)
        state = self._send(state, populations, fired, dt)
        if state.learned:
            state = learning.learn(self, state, fired, signals, dt)
        return state, jnp.concatenate([f.spikes for f in fired.values()], axis=-1)

    def advance(
        self,
        before: dict[str, PopulationState],
        input: Any,
        dt: Float[ArrayLike, ""],
        couplings: dict[str, Any] | None = None,
    ) -> tuple[dict[str, PopulationState], dict[str, Fired]]:
        """Populations after `dt` (ms), and what they fire, but for what is sent off.

        `couplings`: of the gap junctions, by name, as `open` prepares them.
        """
        currents, arrivals = by_population(input, self.populations)
        for name, coupled in (couplings or {}).items():
            for population, drive in gap.drives(self.gaps[name].ends, coupled, before):
                currents[population].append(drive)
        populations, fired = {}, {}
        for name, population in self.populations.items():
            at = before[name]
            for receptor, arrived in arrivals[name].items():
                own = population.receptors[receptor].arrive(at.receptors[receptor], arrived)
                at = at._replace(receptors={**at.receptors, receptor: own})
            populations[name], fired[name] = population.step(at, currents[name], dt)
        return populations, fired

    def summary(self, *, rate_hz: Any = None, dt: float | None = None) -> Summary:
        """Populations, projections, bytes and expected events; `print` it for a table.

        - `rate_hz`: firing rate, assumed or measured, Hz: a number, or by name of a population
          or a part a number or one a neuron. With `dt` (ms), for synaptic events a step.
        """
        return summarise(self, rate_hz, dt)

    def shard(self, devices: Any, axis: str | None = None) -> Any:
        """This network on many devices, as a `ShardedNetwork`.

        - `devices`: how many, a list of them, or a `jax.sharding.Mesh`, of which `axis` is taken.
        """
        from snnjax.networks.shard import ShardedNetwork

        return ShardedNetwork.cut(self, devices, axis)

    def _send(
        self,
        state: NetworkState,
        populations: dict[str, PopulationState],
        fired: dict[str, Fired],
        dt: Float[ArrayLike, ""],
    ) -> NetworkState:
        """Send the spikes of a step, and let arrive what is due at its end."""
        buffers = dict(state.waiting)
        for s in self.synapses.values():
            if s.ends.port not in buffers:
                buffers[s.ends.port] = self.arrived(populations, s.ends.port)
        releases, opened, overflowed = dict(state.releases), dict(state.opened), []
        senders = Senders(populations, fired)
        for name, s in self.synapses.items():
            if s.own_delays:
                continue
            sent = senders.of(s.ends)
            if s.release is not None:
                releases[name], sent = senders.through(
                    s.release, releases[name], s.ends, dt
                )
            weight, rows = opened[name]
            if s.learning is not None:
                weight = Weights.of(state.learned[name].weight)
            port, size = s.ends.port, self.populations[s.ends.target].size
            shift = due(buffers[port], state.step, size)
            own = s.learning is not None and not s.shared
            buffers[port], weight = send(buffers[port], sent, weight, shift, rows, own)
            if s.learning is None:
                opened[name] = weight, rows
            if isinstance(rows, SparseRows):
                overflowed.append(jnp.any(bits.count(sent.active) > rows.capacity))
        for port, buffer in buffers.items():
            if port in state.waiting:
                size = self.populations[port.split(".")[0]].size
                first = due(buffer, state.step, size)
                buffers[port], arriving = arrive(buffer, first, size)
                buffer = self.arrived(populations, port) + arriving
            populations = self.with_arrived(populations, port, buffer)
        return NetworkState(
            populations,
            {port: buffers[port] for port in state.waiting},
            releases,
            state.step + 1,
            sum(overflowed, state.overflowed),
            opened,
            state.places,
            state.learned,
        )

    def absorb(self, state: NetworkState) -> "Network":
        """The network with the weights that `state` has learned as those it starts with."""
        synapses = learning.absorb(self.synapses, state.learned)
        return eqx.tree_at(lambda net: net.synapses, self, synapses)

    def arrived(self, populations: dict[str, PopulationState], port: str) -> Array:
        """The field of a receptor's state, by "population.receptor", that weights are added to."""
        population, receptor = port.split(".")
        field = self.populations[population].receptors[receptor].port
        return getattr(populations[population].receptors[receptor], field)

    def with_arrived(self, populations, port: str, value: Array) -> dict:
        population, receptor = port.split(".")
        field = self.populations[population].receptors[receptor].port
        at = populations[population]
        new = at.receptors[receptor]._replace(**{field: value})
        at = at._replace(receptors={**at.receptors, receptor: new})
        return {**populations, population: at}
