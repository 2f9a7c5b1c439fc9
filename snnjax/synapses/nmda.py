"""NMDA synapse, with its magnesium block."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.synapses.dual_exponential import AbstractDualExponential


class NMDA(AbstractDualExponential):
    r"""A conductance that rises and decays, and that magnesium blocks at low potentials.

    $$I = g \, B(v) \, (e_{rev} - v), \quad
    B(v) = \frac{1}{1 + \frac{[Mg]}{3.57 \text{ mM}} e^{-0.062 v / \text{mV}}}$$

    with the time course of `DualExponential` in g: a weight w (nS) peaks at w where nothing is
    blocked. It does not saturate. At 1 mM, B is 0.06 at -65 mV and 0.78 at 0 mV, and most current
    flows at -27 mV: below it, depolarisation lets more in.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_rise`, `tau_decay`: time constants, ms, above 0; the defaults are those of Brunel &
      Wang 2001, J. Comput. Neurosci. 11:63.
    - `mg`: magnesium outside, mM, at least 0; 0 is no block.
    - `e_rev`: reversal potential, mV.

    Jahr & Stevens 1990, J. Neurosci. 10:3178.
    """

    tau_rise: Float[Array, "..."] = parameter(2.0, "ms", above=0)
    tau_decay: Float[Array, "..."] = parameter(100.0, "ms", above=0)
    mg: Float[Array, "..."] = parameter(1.0, "mM", at_least=0)
    e_rev: Float[Array, "..."] | None = parameter(0.0, "mV", kw_only=True)

    def __check_init__(self):
        if self.e_rev is None:
            raise ValueError(
                "NMDA.e_rev must be a potential in mV, got None: magnesium blocks a "
                "conductance. For a current use DualExponential."
            )

    def time_constants(self):
        return self.tau_rise, self.tau_decay

    def unblocked(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """B(v), the part of the conductance that is not blocked at `v` (mV)."""
        return 1 / (1 + self.mg / 3.57 * jnp.exp(-0.062 * v))

    def drive(self, state, dt, tau_m=None):
        current = super().drive(state, dt, tau_m)
        return lambda v: self.unblocked(v) * current(v)
