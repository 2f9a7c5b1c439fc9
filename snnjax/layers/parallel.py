"""Neurons that are parallel in time: a learnable filter over time, then a threshold."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from snnjax.core import checks
from snnjax.core.base import AbstractDynamics
from snnjax.core.threshold import Threshold, as_threshold


class SlidingPSNState(NamedTuple):
    past: Float[Array, "order-1 *n"]  # the inputs of the steps before, oldest first


class SlidingPSN(AbstractDynamics[SlidingPSNState]):
    r"""Sliding parallel spiking neuron: fires where a filter of its last inputs is high.

    $$h_t = \sum_{i=0}^{k-1} w_i \, x_{t-k+1+i}, \quad s_t = \Theta(h_t - level)$$

    There is no reset, so that all steps are independent of one another. The weights are
    shared by all steps and all neurons; inputs before the first are 0. They start as
    $w_i = 2^{i-k+1}$, a decay of 1/2 a step, as in the authors' code.

    - `order`: k, how many inputs are looked at, this step's among them.
    - `threshold`: level and surrogate gradient; 1. No units.

    Input: any shape. dt plays no part. Fang et al. 2023, NeurIPS (arXiv:2304.12760).
    """

    weight: Float[Array, " order"]
    threshold: Threshold

    def __init__(self, order: int, *, threshold: Any = 1.0):
        order = checks.count(order, "SlidingPSN.order")
        self.weight = 2.0 ** jnp.arange(1.0 - order, 1.0)
        self.threshold = _threshold(threshold, "SlidingPSN")

    def init(self, shape=(), *, key=None, dt=None) -> SlidingPSNState:
        del key, dt
        return SlidingPSNState(jnp.zeros((len(self.weight) - 1, *shape), self.weight.dtype))

    @property
    def spiking(self) -> bool:
        return True

    def step(self, state, input, dt):
        """`input` [...] of this step. Returns the new state and the spikes, 0.0 or 1.0."""
        return _one_step(self, state, input, dt)

    def unroll(self, state, inputs, dt):
        del dt
        h, past = _filtered(self.weight[None], state.past, inputs)
        return SlidingPSNState(past), self.threshold(h)


class PSNState(NamedTuple):
    past: Float[Array, "order-1 *n"]  # the inputs of the steps before, oldest first
    count: Int[Array, ""]  # steps taken


class PSN(AbstractDynamics[Any]):
    r"""Parallel spiking neuron: each step's spike from its own weights over all of time.

    $$H = W X, \quad S = \Theta(H - B)$$

    with X the inputs [time, ...], W [time, time] and one threshold a step, B [time], shared by
    all neurons. There is no reset. W and B belong to a length of sequence: `n_steps`.

    The full neuron looks ahead: a spike depends on later inputs, so that it has no `step` and
    takes whole sequences only. Masked, $W_{ts}$ is kept where $t - k < s \le t$ and the rest
    is multiplied by 1 - `masking`. From `masking` = 1 on it is causal and can be stepped; the
    authors raise it from 0 to 1 in the course of training, see `masked`.

    W starts uniform in $\pm 1 / \sqrt{n_{steps}}$ and B at 1, as in the authors' code.

    - `n_steps`: length of the sequences. `key`: `jax.random.key(seed)`.
    - `order`: k, how many inputs are looked at, this step's among them; None is the full
      neuron.
    - `masking`: 0 (full) .. 1 (masked); a plain number, not trained.
    - `threshold`: level, one value or one a step, and surrogate gradient; 1. No units.

    Input: any shape. dt plays no part. Fang et al. 2023, NeurIPS (arXiv:2304.12760).
    """

    weight: Float[Array, "time time"]
    threshold: Threshold
    order: int | None = eqx.field(static=True)
    masking: float = eqx.field(static=True)

    def __init__(
        self,
        n_steps: int,
        *,
        key: Any,
        order: int | None = None,
        masking: float = 1.0,
        threshold: Any = 1.0,
    ):
        n = checks.count(n_steps, "PSN.n_steps")
        self.weight = jax.random.uniform(key, (n, n), minval=-1, maxval=1) / n**0.5
        threshold = _threshold(threshold, "PSN")
        try:
            levels = jnp.broadcast_to(threshold.level, (n,))
        except ValueError:
            raise ValueError(
                f"PSN.threshold.level must be one value or one for each of {n} steps, got "
                f"shape {threshold.level.shape}."
            ) from None
        self.threshold = dataclasses.replace(threshold, level=levels)
        self.order, self.masking = order, masking

    def __check_init__(self):
        n = len(self.weight)
        if self.order is not None and checks.count(self.order, "PSN.order") > n:
            raise ValueError(f"PSN.order must be at most n_steps={n}, got {self.order}.")
        checks.at_least(self.masking, 0, "PSN.masking")
        checks.at_most(self.masking, 1, "PSN.masking")

    def masked(self, order: int, masking: float = 1.0) -> "PSN":
        """The same weights and thresholds under another mask."""
        other = PSN(len(self.weight), key=jax.random.key(0), order=order, masking=masking)
        return eqx.tree_at(
            lambda psn: (psn.weight, psn.threshold), other, (self.weight, self.threshold)
        )

    @property
    def causal(self) -> bool:
        """Whether no spike depends on later inputs, so that it can be stepped."""
        return self.order is not None and self.masking == 1

    def init(self, shape=(), *, key=None, dt=None) -> Any:
        del key, dt
        if not self.causal:
            return ()
        past = jnp.zeros((self.order - 1, *shape), self.weight.dtype)
        return PSNState(past, jnp.int32(0))

    @property
    def spiking(self) -> bool:
        return True

    @property
    def whole_sequence(self) -> bool:
        return not self.causal

    def step(self, state, input, dt):
        """`input` [...] of this step. Returns the new state and the spikes, 0.0 or 1.0.

        Refused unless `causal`. From step `n_steps` on, spikes are NaN.
        """
        return _one_step(self, state, input, dt)

    def unroll(self, state, inputs, dt):
        del dt
        n, given = len(self.weight), len(inputs)
        if given > n or (given < n and not self.causal):
            message = (
                f"PSN of n_steps={n}, order={self.order}, masking={self.masking:g} takes "
                f"{'at most' if self.causal else 'whole sequences of'} {n} steps, got {given}."
            )
            if not self.causal:
                message += (
                    " It looks ahead and cannot be stepped: use snn.unroll, psn.masked(order) "
                    "or SlidingPSN(order)."
                )
            if given > 1 or not checks.is_traced(inputs):
                raise ValueError(message)
            # One step, traced: refused as it runs, since a container may ask for its shape.
            return state, checks.raise_if(inputs, jnp.ones((), bool), 0, [message])
        if not self.causal:
            h = jnp.tensordot(self._weight_masked(), inputs, 1)
            return state, self.threshold(h, _over_time(self.threshold.level, h))
        at = state.count + jnp.arange(given)
        h, past = _filtered(self._rows()[at], state.past, inputs)
        spikes = self.threshold(h, _over_time(self.threshold.level[at], h))
        spikes = jnp.where(_over_time(at < n, h), spikes, jnp.nan)
        return PSNState(past, state.count + given), spikes

    def _weight_masked(self):
        if self.order is None:
            return self.weight
        late = jnp.arange(len(self.weight))
        late = late[:, None] - late
        kept = (late >= 0) & (late < self.order)
        return jnp.where(kept, self.weight, (1 - self.masking) * self.weight)

    def _rows(self):
        """Of each step, the weights of its last `order` inputs, [time, order]."""
        steps = jnp.arange(len(self.weight))[:, None]
        # Before the first step this wraps around, to weights of inputs that are 0.
        return jnp.take_along_axis(
            self.weight, steps + jnp.arange(1 - self.order, 1), axis=1
        )


def _threshold(x: Any, owner: str) -> Threshold:
    threshold = as_threshold(x)
    if not isinstance(threshold, Threshold):
        raise ValueError(f"{owner}.threshold must be a Threshold or a number, got {x!r}.")
    return threshold


def _one_step(layer, state, input, dt):
    state, spikes = layer.unroll(state, jnp.asarray(input)[None], dt)
    return state, spikes[0]


def _over_time(x: Array, like: Array) -> Array:
    """`x` [time], shaped to broadcast against `like` [time, ...]."""
    return x.reshape(-1, *(1,) * (like.ndim - 1))


def _filtered(rows: Array, past: Array, inputs: Array) -> tuple[Array, Array]:
    """(weighted sums of the last inputs of each step, the past of the step to come).

    `rows` [time or 1, order]: the weights of a step, oldest input first.
    """
    x = jnp.concatenate([past, jnp.asarray(inputs, past.dtype)])
    n = len(inputs)
    # Terms of one fused loop over x, which a convolution or a matrix would not be.
    terms = [_over_time(rows[:, i], x) * x[i : i + n] for i in range(rows.shape[1])]
    return sum(terms), x[n:]
