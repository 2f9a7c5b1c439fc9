"""A cell that follows a measured voltage, so that its parameters can be fitted."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.core import checks
from snnjax.core.neuron import AbstractFiringNeuron, AbstractNeuron


def nudged(
    model: AbstractNeuron,
    current: Any,
    v: Float[ArrayLike, "T"],
    dt: float,
    *,
    gain: Float[ArrayLike, ""],
    spikes: Float[ArrayLike, "T"] | None = None,
) -> Float[Array, "T"]:
    r"""The voltage of `model` while it is pulled towards a measured one, mV, at each step.

    $$\dot v = f(v, x, I) / C + k \, (v_\text{data} - v)$$

    A voltage trace with spikes is a rugged function of parameters: a spike a little too late
    is wrong twice, and the search gets stuck. Pulled towards the data the cell stays in step,
    and its voltage is off smoothly, by what the parameters are off. At the true parameters the
    pull is nothing, so that of data without noise the optimum is the same. Noise of the data
    gets into the cell and biases a fit: go on from its result with a smaller gain, at last 0,
    whose Fisher information is that of the trace (Abarbanel et al. 2009, SIAM J. Appl. Dyn.
    Syst. 8:1341; Toth et al. 2011, Biol. Cybern. 105:217).

    - `current`: input of each step, in the model's unit: a constant, or [T].
    - `v`: measured, mV, at the end of each step, as `simulate` with `Trace("v")` records it;
      no pull where it is NaN.
    - `dt`: ms, of the samples and of the steps. Each step begins with the pull, to
      $v + (1 - e^{-k\,dt}) (v_\text{data} - v)$, exact for any k.
    - `gain`: k, 1/ms, 0 or more. 0 is a run by itself; inf starts each step at the data, so
      that the result is the prediction one step ahead.
    - `spikes`: 1.0 in each step in which the measured cell fired, else 0.0: the model fires
      there and nowhere else, which is its reset and jumps, and v stays at its threshold
      meanwhile (forced spikes: Mensi et al. 2012, J. Neurophysiol. 107:1756). A cell with a
      reset needs it; differentiable then in all parameters.
    """
    if not isinstance(model, AbstractNeuron):
        raise ValueError(f"nudged.model must be a neuron, got {type(model).__name__}.")
    if isinstance(model, AbstractFiringNeuron) and spikes is None:
        raise ValueError(
            f"nudged.spikes is needed: {type(model).__name__} is reset when it fires, and the "
            "pull does not tell when. Give 1.0 in each step with a measured spike, else 0.0."
        )
    v = checks.as_float(v)
    if v.ndim != 1:
        raise ValueError(f"nudged.v must be one trace [T] in mV, got shape {v.shape}.")
    current = _along(current, v, "nudged.current")
    fired = _along(0.0 if spikes is None else spikes, v, "nudged.spikes")
    gain = checks.as_float(gain)
    if not checks.is_traced(gain) and not gain >= 0:
        raise ValueError(f"nudged.gain must be at least 0 1/ms, got {gain}.")
    pull = -jnp.expm1(-gain * dt)

    def step(state, now):
        before, input, spike = now
        off = jnp.where(jnp.isnan(before), 0, before - state.v)
        state = state._replace(v=state.v + pull * off)
        after = model.advance(state, input, dt)
        if isinstance(model, AbstractFiringNeuron):
            # Past threshold v would run away until the measured spike is there.
            after = after._replace(v=jnp.minimum(after.v, model.level(after)))
            after = model.reset(state, after, spike, dt)
        return after, after.v

    state = model.init()
    before = jnp.concatenate([jnp.reshape(state.v, 1), v[:-1]])
    return jax.lax.scan(step, state, (before, current, fired))[1]


def _along(x: Any, v: Array, name: str) -> Array:
    x = checks.finite(x, name)
    if x.shape not in ((), v.shape):
        raise ValueError(
            f"{name} must be one value, or one for each of the {len(v)} samples of v, got "
            f"shape {x.shape}."
        )
    return jnp.broadcast_to(x, v.shape)
