"""A network on many devices, each with some neurons of every population."""

import dataclasses
from collections import OrderedDict
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, ArrayLike, Float

from snnjax.connect.events import Weights
from snnjax.core.arguments import model_dtype
from snnjax.core.base import AbstractDynamics
from snnjax.networks import gap, learning
from snnjax.networks.feed import modulators
from snnjax.networks.network import Network
from snnjax.networks.shard_cut import (
    cut_ring,
    cut_synapses,
    join_ring,
    join_synapses,
    open_synapses,
    placed,
    spread,
)
from snnjax.networks.shard_deliver import Mail, Office, first, stacked
from snnjax.networks.shard_learn import Plastic, with_learned
from snnjax.networks.shard_lineup import block
from snnjax.networks.shard_mail import emit, no_mail
from snnjax.networks.shard_mesh import Devices, mesh_of
from snnjax.networks.shard_plan import office_of, period_of, rows_of, shortest_delay
from snnjax.networks.state import NetworkState


class ShardedNetwork(AbstractDynamics[NetworkState]):
    r"""A `Network` cut over devices, made by `Network.shard`; it runs as the network does.

    Each device has an even block of the neurons of every population (the last ones fewer) and
    the synapses that end there, with a row for every source. What fires is told to all as bits,
    in one gather each $k$ steps, where $k$ is the shortest delay of the network in steps: a
    spike that takes at least $k$ steps to arrive is early enough if it is sent at the end of
    every $k$-th step (Morrison et al. 2005, Neural Comput. 17:1776).

    Input, output and state are those of the network, so that a state is good for any number
    of devices (see `networks.gather`), and the order in which each target adds what arrives is
    the same. Numbers agree to rounding, bit for bit where sums of weights have none. A
    recorder that looks at neurons of one population on their own, as `SpikeCount(of="exc")`,
    works on each device alone if the number of devices divides the population.
    """

    network: Network  # its synapses have a first axis of devices
    mesh: Mesh = eqx.field(static=True)
    axis: str = eqx.field(static=True)
    # Delays, ms; see `period_of`.
    shortest: tuple[float | None, ...] = eqx.field(static=True)
    plastic: dict[str, Plastic] = eqx.field(default_factory=dict)

    @classmethod
    def cut(cls, network: Network, devices: Any, axis: str | None = None):
        """See `Network.shard`."""
        on = Devices(*mesh_of(devices, axis))
        n, sharding = on.n, on.sharding
        synapses, plastic = OrderedDict(), {}
        for name, s in network.synapses.items():
            size, rows = network.populations[s.ends.target].size, rows_of(name, network, n)
            if s.learning is None:
                own = cut_synapses(s, rows, size, n)
            else:
                plastic[name], own = Plastic.of(s, rows, size, n, sharding)
            own = placed(dataclasses.replace(own, release=None), sharding)
            synapses[name] = dataclasses.replace(own, release=s.release)
        shortest = tuple(shortest_delay(s) for s in network.synapses.values())
        return cls(_with_synapses(network, synapses), *on, shortest, plastic)

    def unshard(self) -> Network:
        """The network in one piece, such as after training; see `networks.gather`."""
        n = self.n_devices
        sizes = {name: p.size for name, p in self.network.populations.items()}
        rows = lambda name: rows_of(name, self.network, n)
        joined = lambda name, s: join_synapses(s, rows(name), sizes[s.ends.target], n)
        synapses = OrderedDict((k, joined(k, s)) for k, s in self.network.synapses.items())
        synapses.update((name, p.whole) for name, p in self.plastic.items())
        return _with_synapses(self.network, synapses)

    def absorb(self, state: NetworkState) -> "ShardedNetwork":
        """See `Network.absorb`."""
        return self.unshard().absorb(state).shard(self.mesh, self.axis)

    @property
    def devices(self) -> Devices:
        """What the network is cut over."""
        return Devices(self.mesh, self.axis)

    @property
    def n_devices(self) -> int:
        """How many devices share the network."""
        return self.devices.n

    @property
    def n_neurons(self) -> int:
        """Neurons of all populations."""
        return self.network.n_neurons

    @property
    def sized(self) -> bool:
        return True

    @property
    def spiking(self) -> bool:
        return True

    def split(self, x: Float[Array, "... neurons"]) -> dict[str, Array]:
        """An array with one value a neuron, last, by population and by part."""
        return self.network.split(x)

    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> NetworkState:
        """As of the `Network`."""
        synapses = OrderedDict()
        for (name, s), delay in zip(
            self.network.synapses.items(), self.shortest, strict=True
        ):
            known = s.delay if delay is None else np.asarray(delay)
            synapses[name] = dataclasses.replace(s, delay=known)
        state = _with_synapses(self.network, synapses).init(shape, key=key, dt=dt)
        whole = {name: p.whole for name, p in self.plastic.items()}
        learned = learning.begin_all(whole, shape, dt, model_dtype(self))
        return dataclasses.replace(state, learned=learned)

    def period(self, state: NetworkState) -> int:
        """Every how many steps spikes are exchanged: not more than the shortest delay has.

        In each, if weights change: a spike goes by those of its own step.
        """
        if self.plastic:
            return 1
        synapses = self.network.synapses.values()
        return period_of(synapses, self.shortest, self._slots(state))

    def open(self, state: NetworkState, dt) -> NetworkState:
        slots, office = self._slots(state), self._office(state)
        local = {
            name: dataclasses.replace(s, release=None, weight=self.devices.each(s.weight))
            for name, s in self.network.synapses.items()
        }
        n_rows = {name: rows_of(name, self.network, self.n_devices).n for name in local}

        def rows(local, dt):
            opened = {}
            for name, s in local.items():
                shape = n_rows[name], office.blocks[s.ends.port]
                opened[name] = open_synapses(s, shape, slots[s.ends.port], dt)
            return stacked(opened)

        one = PartitionSpec(self.axis)
        specs = jax.tree.map(lambda x: one if jnp.ndim(x) else PartitionSpec(), local)
        pushes = self.devices.run(rows, (specs, PartitionSpec()), one)(local, dt)
        pushes = {name: (Weights.of(w), rows) for name, (w, rows) in pushes.items()}
        sizes = {name: p.size for name, p in self.network.populations.items()}
        gaps = self.network.gaps.items()
        couplings = {name: gap.coupling(s, sizes, dt) for name, s in gaps}
        populations, waiting = dict(state.populations), dict(state.waiting)
        for name, at in populations.items():
            populations[name] = jax.tree.map(self.devices.kept_apart, at)
        for port, ring in waiting.items():
            waiting[port] = cut_ring(ring, self._size(port), self.n_devices)
        mail = no_mail(self.network, state, office.period, self.n_devices, dt)
        opened = dict(pushes=pushes, mail=mail, couplings=couplings)
        sharding = self.devices.sharding
        learned = {k: p.open(state.learned[k], sharding) for k, p in self.plastic.items()}
        state = dataclasses.replace(state, opened=opened, learned=learned)
        return dataclasses.replace(state, populations=populations, waiting=waiting)

    def close(self, state: NetworkState) -> NetworkState:
        pushes, mail = state.opened["pushes"], state.opened["mail"]
        waiting, overflowed = state.waiting, state.overflowed
        if mail is not None:
            office = self._office(state)
            flush = lambda rings, pushes, mail, step: office.flush(
                rings, first(pushes), Mail(mail.own, first(mail.whole)), step
            )
            rings, one = jax.tree.map(self.devices.last, waiting), PartitionSpec(self.axis)
            letters = Mail(jax.tree.map(self.devices.last, mail.own), one)
            flush = self.devices.run(
                flush, (rings, one, letters, PartitionSpec()), (rings, PartitionSpec())
            )
            waiting, late = flush(waiting, pushes, mail, state.step)
            overflowed = overflowed + late
        waiting = {
            port: join_ring(rings, self._size(port), self.n_devices)
            for port, rings in waiting.items()
        }
        learned = {name: p.close(state.learned[name]) for name, p in self.plastic.items()}
        return dataclasses.replace(
            state, waiting=waiting, overflowed=overflowed, opened=None, learned=learned
        )

    def unroll(self, state, inputs, dt):
        """As scanning `step`, with what is common to all steps done once."""
        one = lambda state, input: self.step(state, input, dt)
        state, outputs = lax.scan(one, self.open(state, dt), inputs)
        return self.close(state), outputs

    def step(
        self, state: NetworkState, input: Any, dt: Float[ArrayLike, ""]
    ) -> tuple[NetworkState, Float[Array, "neurons"]]:
        """Advance by `dt` (ms): (new state, spikes of all neurons)."""
        if state.opened is None:
            state, spikes = self.step(self.open(state, dt), input, dt)
            return self.close(state), spikes
        couplings = state.opened["couplings"]
        whole = {name: p.whole for name, p in self.plastic.items()}
        signals, input = modulators(input, whole)
        populations, fired = self.network.advance(state.populations, input, dt, couplings)
        state = self._send(state, populations, fired, dt)
        cut = {name: p.cut for name, p in self.plastic.items()}
        learned = learning.learn_all(cut, state, fired, signals, dt)
        state = dataclasses.replace(state, learned=learned)
        return state, jnp.concatenate([f.spikes for f in fired.values()], axis=-1)

    def _send(self, state, populations, fired, dt) -> NetworkState:
        """As of the `Network`: each device pushes what it is told onto its own targets."""
        office, opened = self._office(state), state.opened
        emitted, releases = emit(self.network, state.releases, populations, fired, dt)
        whole = lambda x: spread(x, self.n_devices)
        emitted = jax.tree.map(whole, emitted)
        buffers = dict(state.waiting)
        for port in [p for p in office.blocks if p not in buffers]:
            buffers[port] = whole(self.network.arrived(populations, port))

        def local(buffers, pushes, mail, emitted, step):
            if mail is not None:
                mail = Mail(mail.own, first(mail.whole))
            now, mail = office.told(emitted, mail, step)
            sent = step + 1 - office.period
            buffers, credited, late = office.push(buffers, first(pushes), now, sent, own)
            rings = {port: buffers.pop(port) for port in state.waiting}
            arrived = office.arrive(rings, step)
            if mail is not None:
                mail = Mail(mail.own, stacked(mail.whole))
            return arrived, buffers, stacked(credited), mail, late

        one, last = PartitionSpec(self.axis), lambda x: jax.tree.map(self.devices.last, x)
        pushes = with_learned(opened["pushes"], state.learned)
        own = [name for name, p in self.plastic.items() if not p.whole.shared]
        mail = opened["mail"]
        letters = None if mail is None else Mail(last(mail.own), one)
        given = (last(buffers), one, letters, last(emitted), PartitionSpec())
        arrived = {port: (last(x), last(x)) for port, x in state.waiting.items()}
        direct = {port: x for port, x in buffers.items() if port not in state.waiting}
        made = (arrived, last(direct), one, letters, PartitionSpec())
        local = self.devices.run(local, given, made)
        arrived, direct, credited, mail, late = local(
            buffers, pushes, mail, emitted, state.step
        )
        for port, (_, x) in arrived.items():
            x = x[..., : self._size(port)] + self.network.arrived(populations, port)
            populations = self.network.with_arrived(populations, port, x)
        for port, x in direct.items():
            x = x[..., : self._size(port)]
            populations = self.network.with_arrived(populations, port, x)
        pushes = dict(opened["pushes"])
        for name, (weights, rows) in pushes.items():
            if name not in self.plastic:
                pushes[name] = weights._replace(credited=credited[name]), rows
        return dataclasses.replace(
            state,
            populations=populations,
            waiting={port: ring for port, (ring, _) in arrived.items()},
            releases=releases,
            step=state.step + 1,
            overflowed=state.overflowed + late,
            opened={**opened, "pushes": pushes, "mail": mail},
        )

    def _office(self, state: NetworkState) -> Office:
        blocks = {p: block(self._size(p), self.n_devices) for p in self._slots(state)}
        axis = self.axis, self.n_devices
        return office_of(self.network, blocks, self.period(state), axis)

    def _slots(self, state: NetworkState) -> dict[str, int]:
        """By port, how many steps its ring has."""
        ports = dict.fromkeys(s.ends.port for s in self.network.synapses.values())
        slots = dict.fromkeys(ports, 1)
        for port, ring in state.waiting.items():
            n = self._size(port)
            if state.opened is not None:
                n = block(n, self.n_devices) * self.n_devices
            slots[port] = ring.shape[-1] // n
        return slots

    def _size(self, port: str) -> int:
        return self.network.populations[port.split(".")[0]].size


def _with_synapses(network: Network, synapses: dict[str, Any]) -> Network:
    return eqx.tree_at(lambda net: net.synapses, network, synapses)
