"""What a run keeps of its spikes: the first, the last, or all of them as sparse events."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from snnjax.core.checks import count
from snnjax.core.recorders import AbstractRecorder, What, every_field, pick


class _SpikeTime(AbstractRecorder):
    def init(self, state, output):
        return jnp.full(jnp.shape(output), -1, jnp.int32)

    def result(self, carry, now, state, output):
        return jnp.where(carry < 0, jnp.nan, (carry + 1) * now.dt)


class FirstSpike(_SpikeTime):
    """Time of each neuron's first spike, ms (the end of its step); NaN if it never fired."""

    every: int | None = every_field()

    def update(self, carry, now, state, output):
        return jnp.where((carry < 0) & (output > 0), now.step, carry)


class LastSpike(_SpikeTime):
    """Time of each neuron's last spike, ms (the end of its step); NaN if it never fired."""

    every: int | None = every_field()

    def update(self, carry, now, state, output):
        return jnp.where(output > 0, now.step, carry)


class Events(NamedTuple):
    """Spikes as a list. The first `min(count, capacity)` entries hold them, in time order."""

    times: Float[Array, "capacity"]  # ms, the end of the spike's step; NaN where unused
    indices: Int[
        Array, "capacity"
    ]  # of the neuron in the flattened population; -1 if unused
    values: Any  # what `SpikeRaster.what` gave at the spike; None without it
    count: Int[Array, ""]  # spikes in all, also those beyond the capacity
    lost: Int[Array, ""]  # spikes beyond the capacity, of which only the number is known

    def trimmed(self) -> tuple[np.ndarray, np.ndarray]:
        """(times, indices) without the unused entries; NumPy, for concrete events of one run."""
        n = int(self.count) - int(self.lost)
        return np.asarray(self.times)[:n], np.asarray(self.indices)[:n]


class SpikeRaster(AbstractRecorder):
    """Spikes as sparse events, (time, neuron) in order, at most `capacity` of them.

    Memory is that of the capacity, however long the run. Spikes beyond it are counted in
    `Events.lost`, and a run that is not traced warns of them. Costs time in proportion to
    the population at each step.

    - `what`: also record this value of the neuron that fired, such as "w" (see `Trace`).
    """

    capacity: int = eqx.field(
        static=True, converter=lambda n: count(n, "SpikeRaster.capacity")
    )
    what: What | None = eqx.field(default=None, static=True)
    every: int | None = every_field()

    def _value(self, state, output):
        value = pick(self.what, state, output)
        return jax.lax.stop_gradient(jnp.broadcast_to(value, jnp.shape(output)).ravel())

    def init(self, state, output):
        empty = jnp.full(self.capacity, -1, jnp.int32)
        values = None
        if self.what is not None:
            values = jnp.full(self.capacity, jnp.nan, self._value(state, output).dtype)
        return jnp.int32(0), empty, empty, values

    def update(self, carry, now, state, output):
        count, steps, indices, values = carry
        fired = jnp.ravel(output) > 0
        place = count + jnp.cumsum(fired, dtype=jnp.int32) - 1
        place = jnp.where(fired, place, self.capacity)  # out of range: dropped
        put = lambda buffer, x: buffer.at[place].set(x, mode="drop")
        if values is not None:
            values = put(values, self._value(state, output))
        return (
            count + fired.sum(dtype=jnp.int32),
            put(steps, now.step),
            put(indices, jnp.arange(fired.size, dtype=jnp.int32)),
            values,
        )

    def result(self, carry, now, state, output):
        count, steps, indices, values = carry
        times = jnp.where(steps < 0, jnp.nan, (steps + 1) * now.dt)
        return Events(times, indices, values, count, jnp.maximum(count - self.capacity, 0))
