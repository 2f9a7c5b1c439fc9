"""What a run keeps of its spikes: rates, the first, the last, or all as sparse events."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from snnjax.core.checks import count
from snnjax.core.pick import What, index_field, neurons, of_field, output_of, pick
from snnjax.core.recorders import AbstractRecorder, every_field
from snnjax.core.spike_list import append


def _total(x: Array) -> Float[Array, ""]:
    """The sum of all of `x`, column by column: in a row XLA's CPU adds one after the other."""
    x = jnp.ravel(x).astype(jnp.promote_types(x.dtype, jnp.float32))
    columns = jnp.pad(x, (0, -x.size % _COLUMNS)).reshape(-1, _COLUMNS).sum(0)
    return jax.lax.optimization_barrier(columns).sum()


_COLUMNS = 128


class PopulationRate(AbstractRecorder):
    """Firing rate in Hz, the mean over neurons: per bin of `every` steps, or of the whole run.

    - `of`: a part of a network, such as "exc". `index`: only these neurons (see `Trace`).
    """

    every: int | None = every_field()
    of: str | None = of_field()
    index: Any = index_field()

    def _fraction(self, state, output):
        spikes = jnp.asarray(pick(output_of(self.of), state, output, self.index))
        return _total(spikes) / spikes.size

    def init(self, state, output):
        return jnp.int32(0), jnp.zeros_like(self._fraction(state, output))

    def update(self, carry, now, state, output):
        return carry[0] + 1, carry[1] + self._fraction(state, output)

    def result(self, carry, now, state, output):
        steps, total = carry
        return 1e3 * total / (steps * now.dt.astype(total.dtype))  # per ms -> Hz


class _SpikeTime(AbstractRecorder):
    of: eqx.AbstractVar[str | None]
    index: eqx.AbstractVar[Any]

    def fired(self, state, output):
        return jnp.asarray(pick(output_of(self.of), state, output, self.index)) > 0

    def init(self, state, output):
        return jnp.full(self.fired(state, output).shape, -1, jnp.int32)

    def result(self, carry, now, state, output):
        return jnp.where(carry < 0, jnp.nan, (carry + 1) * now.dt)


class FirstSpike(_SpikeTime):
    """Time of each neuron's first spike, ms (the end of its step); NaN if it never fired.

    - `of`: a part of a network, such as "exc". `index`: only these neurons (see `Trace`).
    """

    every: int | None = every_field()
    of: str | None = of_field()
    index: Any = index_field()

    def update(self, carry, now, state, output):
        return jnp.where((carry < 0) & self.fired(state, output), now.step, carry)


class LastSpike(_SpikeTime):
    """Time of each neuron's last spike, ms (the end of its step); NaN if it never fired.

    - `of`: a part of a network, such as "exc". `index`: only these neurons (see `Trace`).
    """

    every: int | None = every_field()
    of: str | None = of_field()
    index: Any = index_field()

    def update(self, carry, now, state, output):
        return jnp.where(self.fired(state, output), now.step, carry)


class Events(NamedTuple):
    """Spikes as a list. The first `min(count, capacity)` entries hold them, in time order.

    With `SpikeRaster.every` each field has a leading axis of bins.
    """

    times: Float[Array, "capacity"]  # ms, the end of the spike's step; NaN where unused
    indices: Int[
        Array, "capacity"
    ]  # of the neuron in the flattened population; -1 if unused
    values: Any  # what `SpikeRaster.what` gave at the spike; None without it
    count: Int[Array, ""]  # spikes in all, also those beyond the capacity
    lost: Int[Array, ""]  # spikes beyond the capacity, of which only the number is known

    def trimmed(self) -> tuple[np.ndarray, np.ndarray]:
        """(times, indices) without the unused entries, bin after bin.

        NumPy, for concrete events of one run.
        """
        kept = np.asarray(self.count) - np.asarray(self.lost)
        used = np.arange(self.times.shape[-1]) < kept[..., None]
        return np.asarray(self.times)[used], np.asarray(self.indices)[used]


class SpikeRaster(AbstractRecorder):
    """Spikes as sparse events, (time, neuron) in order, at most `capacity` of them.

    Memory is that of the capacity, however long the run. Spikes beyond it are counted in
    `Events.lost`, and a run that is not traced warns of them. On a CPU a step costs the
    packing of the spikes into words and a visit of each spike; elsewhere, and under vmap,
    a prefix sum and a scatter over the population.

    - `what`: also record this value of the neuron that fired, such as "w" (see `Trace`).
    - `of`: a part of a network, such as "exc"; `what` is then named within the part's own.
    - `index`: only these neurons (see `Trace`), under the numbers they have in the whole.
    """

    capacity: int = eqx.field(
        static=True, converter=lambda n: count(n, "SpikeRaster.capacity")
    )
    what: What | None = eqx.field(default=None, static=True)
    every: int | None = every_field()
    of: str | None = of_field()
    index: Any = index_field()

    def _spikes(self, state, output):
        """(the spikes of the population, the numbers of the neurons picked from it)."""
        spikes = jnp.asarray(pick(output_of(self.of), state, output))
        if self.index is None:
            return spikes, None
        numbers = np.arange(spikes.size).reshape(spikes.shape)
        return spikes, np.ravel(numbers[neurons(self.index, len(numbers))])

    def _value(self, state, output):
        what = self.what
        if self.of is not None and isinstance(what, str):
            what = f"{self.of}.{what}"
        spikes, numbers = self._spikes(state, output)
        value = jnp.broadcast_to(pick(what, state, output), spikes.shape).ravel()
        return jax.lax.stop_gradient(value if numbers is None else value[numbers])

    def init(self, state, output):
        empty = jnp.full(self.capacity + 1, -1, jnp.int32)  # the last takes what is lost
        values = None
        if self.what is not None:
            values = jnp.full_like(empty, jnp.nan, self._value(state, output).dtype)
        return jnp.int32(0), empty, empty, values

    def update(self, carry, now, state, output):
        count, steps, indices, values = carry
        spikes, numbers = self._spikes(state, output)
        fired = jnp.ravel(spikes) > 0
        which = jnp.arange(fired.size, dtype=jnp.int32)
        if numbers is not None:
            fired, which = fired[numbers], jnp.asarray(numbers, jnp.int32)
        found = dict(steps=now.step, indices=which)
        kept = dict(steps=steps, indices=indices)
        if values is not None:
            found["values"], kept["values"] = self._value(state, output), values
        count, kept = append(count, kept, fired, found)
        return count, kept["steps"], kept["indices"], kept.get("values")

    def result(self, carry, now, state, output):
        count, steps, indices, values = carry
        steps, indices = steps[:-1], indices[:-1]
        values = None if values is None else values[:-1]
        times = jnp.where(steps < 0, jnp.nan, (steps + 1) * now.dt)
        return Events(times, indices, values, count, jnp.maximum(count - self.capacity, 0))
