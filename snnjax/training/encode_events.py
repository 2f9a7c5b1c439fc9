"""From lists of events to steps."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from snnjax.core.checks import count
from snnjax.core.parameters import check_parameters, parameter


def step_of(times: Any, dt: Any) -> Any:
    """The step that contains each of `times` (both ms), as a float; NaN of NaN.

    Times, dt and their quotient are rounded: what reaches an edge to 4 eps lies on it.
    """
    slack = 1 + 4 * float(np.finfo(times.dtype).eps)
    return (times / dt * slack) // 1


class EventCode(eqx.Module):
    """Lists of events, such as `SpikeEvents.padded` gives, as dense arrays of steps.

    A batch is made dense only when it is used, inside the compiled epoch: a data set of
    events then takes the memory of its events, not of its steps.

    - `n_steps`, `dt` (ms): event times t fall into step i where i dt <= t < (i + 1) dt; what
      reaches an edge within rounding lies on it. Those outside all steps are dropped.
    - `shape`: of the sensor, such as (700,) or (34, 34, 2).
    - `counts`: give the number of events in a step instead of 1.0 for one or more.

    Called as `code(x, key)`, x [n, events, 2] of (time in ms, flat channel), NaN where there
    is none, it gives [n_steps, n, *shape]; no randomness.
    """

    n_steps: int = eqx.field(static=True, converter=lambda n: count(n, "EventCode.n_steps"))
    shape: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    dt: Float[Array, ""] = parameter(1.0, "ms", above=0)
    counts: bool = eqx.field(default=False, static=True)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key=None):
        del key
        dt = self.dt.astype(x.dtype)
        size = math.prod(self.shape)
        at: Array = step_of(x[..., 0], dt)
        inside = (at >= 0) & (
            at < self.n_steps
        )  # a negative index would count from the end
        step = jnp.where(inside, at, self.n_steps)
        channel = jnp.nan_to_num(x[..., 1]).astype(jnp.int32)
        row = jnp.broadcast_to(jnp.arange(len(x))[:, None], step.shape)
        dense = jnp.zeros((self.n_steps, len(x), size), x.dtype)
        put = dense.at[step.astype(jnp.int32), row, channel]
        dense = put.add(1, mode="drop") if self.counts else put.max(1, mode="drop")
        return dense.reshape(self.n_steps, len(x), *self.shape)
