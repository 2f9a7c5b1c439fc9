"""Perfect integrate-and-fire neuron."""

from typing import NamedTuple

from jaxtyping import Array, Float

from snnjax.core.neuron import AbstractFiringNeuron, fires_at
from snnjax.core.parameters import parameter
from snnjax.core.threshold import Threshold


class PerfectIFState(NamedTuple):
    v: Float[Array, "*n"]  # mV, after any reset
    refractory: Float[Array, "*n"] | None  # ms left to wait; 0 when free to fire


class PerfectIF(AbstractFiringNeuron[PerfectIFState]):
    r"""Perfect (non-leaky) integrate-and-fire neuron: it counts charge.

    $$c_m \, dv/dt = I$$

    It starts at `v_reset` and forgets nothing: with `reset_mode="subtract"` and without
    refractoriness its spikes are the whole number of times that the charge $\int I dt$ holds
    $c_m (level - v_{reset})$, at any dt. Between spikes the step is exact for constant
    current, as `ExponentialEuler` is for any single linear equation.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `c_m`: membrane capacitance, pF, above 0.
    - `threshold`, `v_reset`, `t_ref`, `reset_mode`, `detach_reset`: see
      `AbstractFiringNeuron`; -55 mV, -75 mV, None.

    Input: current, pA. Under constant current it fires at
    $1 / (t_{ref} + c_m (level - v_{reset}) / I)$.
    Gerstein & Mandelbrot 1964, Biophys. J. 4:41.
    """

    c_m: Float[Array, "..."] = parameter(100.0, "pF", above=0)
    threshold: Threshold = fires_at(-55.0)
    v_reset: Float[Array, "..."] = parameter(-75.0, "mV", kw_only=True)

    def rest(self) -> PerfectIFState:
        return PerfectIFState(self.v_reset, self.free_to_fire())

    def derivative(self, state, current):
        return {"v": current / self.c_m}
