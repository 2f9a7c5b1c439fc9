"""From signals in time to events."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import check_parameters, parameter


class DeltaCode(eqx.Module):
    r"""Events where a signal has moved up (ON) or down (OFF) by `threshold`; send-on-delta.

    A reference r starts at the signal's first value. In each step, an ON event where
    $x - r \ge \theta$ moves r up by $\theta$, an OFF event where $x - r \le -\theta$ moves it
    down, so that r, which `decode` gives back, is a sum of events and

    $$|x(t) - r(t)| < \theta$$

    as long as the signal moves by at most theta in a step; a steeper one is caught up with
    afterwards. With `counts` a step holds as many events as are needed, and the bound holds
    for every signal.

    - `threshold`: theta, in the unit of the signal; one, or one a feature.
    - `counts`: let a step hold several events.
    - `time_axis`: which axis of the signal is time; 1 for a batch [n, time, features].

    Called as `code(x, key)`, x [time, ..., features], it gives events
    [time, ..., 2 * features], time first: all ON channels, then all OFF channels; no
    randomness. Lichtsteiner, Posch & Delbruck 2008, IEEE J. Solid-State Circuits 43:566;
    Miskowicz 2006, Sensors 6:49.
    """

    threshold: Float[Array, "..."] = parameter(0.1, "unit of the signal", above=0)
    counts: bool = eqx.field(default=False, static=True)
    time_axis: int = eqx.field(default=0, static=True)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, x, key=None):
        del key
        if not -x.ndim <= self.time_axis < x.ndim or x.ndim < 2:
            raise ValueError(
                "DeltaCode takes signals [time, ..., features], at least two axes with time "
                f"on axis {self.time_axis}, got shape {x.shape}."
            )
        x = jax.lax.stop_gradient(jnp.moveaxis(x, self.time_axis, 0))
        theta = self.threshold.astype(x.dtype)

        def step(reference, now):
            n = jnp.trunc((now - reference) / theta)
            n = n if self.counts else jnp.clip(n, -1, 1)
            return reference + n * theta, n

        _, n = jax.lax.scan(step, x[0], x)
        return jnp.concatenate([jnp.maximum(n, 0), jnp.maximum(-n, 0)], axis=-1)

    def decode(self, events, start) -> Float[Array, "time *n features"]:
        """r [time, ..., features] after each step, from the events and the first value."""
        on, off = jnp.split(events, 2, axis=-1)
        return start + self.threshold * jnp.cumsum(on - off, axis=0)
