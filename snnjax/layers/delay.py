"""Delays that can be learned: of each feature, or of each weight."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.parameters import parameter
from snnjax.layers.linear import Linear
from snnjax.layers.stateless import require_last_axis


class DelayState(NamedTuple):
    """A ring buffer of the last inputs; that of `lag` steps ago is at `(oldest - 1 - lag)`."""

    past: Float[Array, "slots ... features"]
    oldest: Int[Array, ""]  # the slot to be overwritten next


class AbstractDelay(AbstractDynamics[DelayState]):
    """What the two delays share: `delay` (ms), its maximum, and the buffer that it needs."""

    delay: eqx.AbstractVar[Float[Array, "..."]]
    max_delay: eqx.AbstractVar[float]

    def __check_init__(self):
        name = type(self).__name__
        checks.positive(self.max_delay, f"{name}.max_delay", "ms")
        checks.at_most(self.delay, self.max_delay, f"{name}.delay", "ms, its max_delay")

    def _start(self, shape: tuple[int, ...], dt) -> DelayState:
        if dt is None or checks.is_traced(dt):
            raise ValueError(
                f"{type(self).__name__}.init needs dt (ms) as a number, got {dt}: the buffer "
                f"of max_delay={self.max_delay:g} ms has as many slots as it takes steps. "
                "Make the state outside jit, or let dt be static there."
            )
        # One slot for the input of this very step, one for what is interpolated to.
        slots = int(np.floor(self.max_delay / checks.decimal(dt) + 1e-6)) + 2
        return DelayState(jnp.zeros((slots, *shape), self.delay.dtype), jnp.int32(0))

    def _split(self, dt) -> tuple[Int[Array, "..."], Float[Array, "..."]]:
        """`delay` in whole steps and the rest, 0 .. 1 of a step."""
        steps = jnp.clip(self.delay, 0, self.max_delay) / dt
        whole = jax.lax.stop_gradient(jnp.floor(steps))
        return whole.astype(jnp.int32), steps - whole


class Delay(AbstractDelay):
    r"""Each feature later by a time of its own, $y_i(t) = x_i(t - d_i)$: an axonal delay.

    Between steps x is interpolated linearly, so that a spike is shared out over two steps and
    the gradient with respect to d exists:

    $$y_i[t] = (1 - f) \, x_i[t - k] + f \, x_i[t - k - 1], \quad d_i / dt = k + f$$

    x is 0 before the start. At d = 0 nothing is delayed: the layer is feed-forward within the
    step. Where d is a whole number of steps, the gradient is that towards longer delays.

    - `delay`: d, ms, one value or one a feature (the last axis), from 0 to `max_delay`.
    - `max_delay`: ms; sets the length of the buffer. Training may not go beyond: there the
      layer delays by `max_delay`, without a gradient. Train with
      `constraints={"*delay": snn.Bounded(0, max_delay)}`.

    `init` needs a concrete dt. The output is not `spiking`, as spikes are split.
    """

    delay: Float[Array, "..."] = parameter(unit="ms", at_least=0)
    max_delay: float = eqx.field(static=True, converter=float, kw_only=True)

    def init(self, shape=(), *, key=None, dt=None):
        del key
        if self.delay.ndim > 1:
            raise ValueError(
                "Delay.delay must be one value or one a feature, got shape "
                f"{self.delay.shape}."
            )
        if self.delay.ndim:
            require_last_axis(shape, self.delay.shape[0], "Delay")
        return self._start(tuple(shape), dt)

    def step(self, state, input, dt):
        """`input` [..., features] -> the same, delayed."""
        slots = len(state.past)
        state = _pushed(state, input[None])
        whole, rest = self._split(dt)
        at = lambda lag: _each(
            lambda x, lag: x[(state.oldest - 1 - lag) % slots], state.past, lag
        )
        return state, (1 - rest) * at(whole) + rest * at(whole + 1)

    def unroll(self, state, inputs, dt):
        length, slots = len(inputs), len(state.past)
        series = _series(state, inputs)
        whole, rest = self._split(dt)
        # Row t + 1 of what is cut out is x[t - whole], row t the one before.
        cut = lambda x, lag: jax.lax.dynamic_slice_in_dim(x, slots - 1 - lag, length + 1)
        late = _each(cut, series, whole)
        return _pushed(state, inputs), (1 - rest) * late[1:] + rest * late[:-1]


class DelayedLinear(AbstractDelay):
    r"""Weights with a delay each, $y_o(t) = \sum_i W_{oi} \, x_i(t - d_{oi}) + b_o$.

    Between steps x is interpolated, so that delays can be learned along with weights
    (Hammouamri, Khalfaoui-Hassani & Masquelier 2024, ICLR). It is a convolution over time
    with the kernel

    $$W_{oi}[k] = W_{oi} \, h(k - d_{oi} / dt)$$

    h being the linear interpolation, 1 - f at k = floor(d / dt) and f at k + 1, or with
    `sigma` that paper's Gaussian, normalised over k, which lets a gradient reach further; let
    `sigma` shrink in training, and leave it out at the end.

    A whole sequence is one matrix product over time and batch for each of the
    n = max_delay / dt + 2 values of k, one after the other: n times the arithmetic of
    `Linear`. Neither the kernel [n, out, in] nor anything [time, out, in] is stored, also
    not for the gradient, for which each product is made again.

    - `in_features`, `out_features`, `gain`, `bias`: as in `Linear`.
    - `max_delay`: ms. `delay`: d [out, in], ms, from 0 to `max_delay`; by default uniform
      in between, drawn with `key`. See `Delay` for the bounds in training.
    - `sigma`: of the Gaussian, ms; None interpolates linearly.

    `init` needs a concrete dt. x is 0 before the start.
    """

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"] | None
    max_delay: float = eqx.field(static=True)
    delay: Float[Array, "out in"] = parameter(unit="ms", at_least=0, per_neuron=False)
    sigma: Float[Array, ""] | None = parameter(None, "ms", above=0, per_neuron=False)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        key,
        max_delay: float,
        delay=None,
        sigma: float | None = None,
        gain: float = 1.0,
        bias: bool = True,
    ):
        weight_key, delay_key = jax.random.split(key)
        linear = Linear(in_features, out_features, key=weight_key, gain=gain, bias=bias)
        self.weight, self.bias = linear.weight, linear.bias
        self.max_delay = float(max_delay)
        self.sigma = None if sigma is None else checks.as_float(sigma)
        shape = self.weight.shape
        if delay is None:
            delay = jax.random.uniform(delay_key, shape, maxval=self.max_delay)
        try:
            self.delay = jnp.broadcast_to(checks.as_float(delay), shape)
        except ValueError:
            raise ValueError(
                f"DelayedLinear.delay must be [out, in] = {shape}, got {jnp.shape(delay)}."
            ) from None

    def init(self, shape=(), *, key=None, dt=None):
        del key
        require_last_axis(shape, self.weight.shape[1], "DelayedLinear")
        return self._start(tuple(shape), dt)

    def step(self, state, input, dt):
        """`input` [..., in_features] -> output [..., out_features]."""
        slots = len(state.past)
        state = _pushed(state, input[None])
        late = lambda lag: state.past[(state.oldest - 1 - lag) % slots]
        return state, self._sum(late, slots, dt)

    def unroll(self, state, inputs, dt):
        length, slots = len(inputs), len(state.past)
        series = _series(state, inputs)
        late = lambda lag: jax.lax.dynamic_slice_in_dim(series, slots - lag, length)
        return _pushed(state, inputs), self._sum(late, slots, dt)

    def _sum(self, late, slots: int, dt):
        """The sum over lags of `late(lag)`, weighted by the kernel."""
        lags = jnp.arange(slots)
        kernel = self._kernel(lags, dt)
        add = lambda y, lag: (y + late(lag) @ kernel(lag).T, None)
        first = jnp.zeros_like(late(0) @ self.weight.T)
        y, _ = jax.lax.scan(jax.checkpoint(add, prevent_cse=False), first, lags)
        return y if self.bias is None else y + self.bias

    def _kernel(self, lags, dt):
        whole, rest = self._split(dt)
        if self.sigma is None:
            share = lambda lag: jnp.where(
                lag == whole, 1 - rest, jnp.where(lag == whole + 1, rest, 0)
            )
            return lambda lag: self.weight * share(lag)
        centre, width = whole + rest, self.sigma / dt
        # Relative to the lag nearest the centre, so that a narrow one does not vanish.
        nearest = jax.lax.stop_gradient(jnp.round(centre))
        bell = lambda lag: jnp.exp(
            ((nearest - centre) ** 2 - (lag - centre) ** 2) / (2 * width**2)
        )
        add = lambda total, lag: (total + bell(lag), None)
        start = jnp.zeros_like(self.weight)
        total, _ = jax.lax.scan(jax.checkpoint(add, prevent_cse=False), start, lags)
        return lambda lag: self.weight * bell(lag) / total


def _each(f, x, lag):
    """`f(column, lag)` of every feature (last axis) of `x` with its own `lag`."""
    return f(x, lag) if jnp.ndim(lag) == 0 else jax.vmap(f, (-1, 0), -1)(x, lag)


def _series(state: DelayState, inputs) -> Array:
    """What the buffer holds, oldest first, followed by `inputs`."""
    past = jnp.roll(state.past, -state.oldest, axis=0)
    return jnp.concatenate([past.astype(jnp.result_type(past, inputs)), inputs])


def _pushed(state: DelayState, inputs) -> DelayState:
    """The buffer after `inputs` [time, ...]."""
    slots = len(state.past)
    oldest = (state.oldest + len(inputs)) % slots
    if len(inputs) == 1:
        past = state.past.at[state.oldest].set(inputs[0])
    else:
        past = jnp.roll(_series(state, inputs)[-slots:], oldest, axis=0)
    return DelayState(past.astype(state.past.dtype), oldest)
