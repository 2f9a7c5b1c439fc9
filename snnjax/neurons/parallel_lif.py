"""Leaky integrate-and-fire neuron without reset, solved in parallel over time."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from snnjax.core.integrators import AbstractIntegrator, Exact
from snnjax.neurons.lif import AbstractLeakyNeuron, LIFState, unit_of_decay


class ParallelLIF(AbstractLeakyNeuron[LIFState]):
    r"""A `LIF` that is never reset and never waits, so that all of time is solved at once.

    $$\tau_m \, dv/dt = -(v - e_l) + I / g_l, \quad s_t = \Theta(v_t - level)$$

    Without reset the steps are affine maps, $x_t = a x_{t-1} + (1 - a) I_t / g_l$ with
    $x = v - e_l$ and $a = e^{-dt / \tau_m}$, and these compose: `unroll` is an associative
    scan, of depth log2(time) instead of time. It pays where one step leaves the hardware idle,
    as on a GPU with long sequences; it does about twice the arithmetic. The numbers are those
    of `LIF(reset_mode="none", t_ref=None)`, to rounding. It fires in every step that ends
    above threshold.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_m`: membrane time constant, ms. `g_l`: leak conductance, nS. Both above 0.
    - `e_l`: leak reversal, mV.
    - `threshold`: level (mV) and surrogate gradient; -55 mV.

    Input: current, pA. Blelloch 1990, CMU-CS-90-190; Martin & Cundy 2018, ICLR. Other neurons
    that are parallel in time, with learnable filters: `PSN` and `SlidingPSN`.
    """

    v_reset: ClassVar[None] = None
    t_ref: ClassVar[None] = None
    reset_mode: ClassVar[str] = "none"
    detach_reset: ClassVar[bool] = True
    integrator: ClassVar[AbstractIntegrator] = Exact()

    @classmethod
    def from_decay(
        cls, decay: float = 0.9, *, dt: float = 1.0, **changes: Any
    ) -> "ParallelLIF":
        r"""The unit of machine learning, $u_t = decay \cdot u_{t-1} + x_t$; see `LIF`."""
        unit = unit_of_decay(decay, dt, "ParallelLIF")
        same = {name: unit[name] for name in ("tau_m", "g_l", "e_l", "threshold")}
        return cls(**{**same, **changes})

    def rest(self) -> LIFState:
        return LIFState(self.e_l, None)

    def unroll(self, state, inputs, dt):
        def push(current):  # what the current adds to v in one step from e_l
            moved = -jnp.expm1(-dt / self.tau_m) * current / self.g_l
            return jnp.broadcast_to(moved, state.v.shape)

        def then(first, second):
            (a, x), (b, y) = first, second
            return a * b, b * x + y

        pushes, decay = jax.vmap(push)(inputs), jnp.exp(-dt / self.tau_m)
        pushes = pushes.at[0].add(decay * (state.v - self.e_l))
        aligned = decay.reshape((1,) * (state.v.ndim - decay.ndim) + decay.shape)
        decays = jnp.broadcast_to(aligned, (len(pushes), *aligned.shape))
        v = self.e_l + jax.lax.associative_scan(then, (decays, pushes))[1]
        return LIFState(v[-1], None), self.threshold(v)
