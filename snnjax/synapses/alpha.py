"""Alpha synapse."""

from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.synapses.dual_exponential import AbstractDualExponential


class Alpha(AbstractDualExponential):
    r"""The alpha function, of a current or a conductance.

    $$s(t) = w \, \frac{t}{\tau_{syn}} e^{1 - t / \tau_{syn}}$$

    so that a weight w peaks at w, after $\tau_{syn}$; its integral is $e w \tau_{syn}$.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `tau_syn`: time constant of rise and of decay, ms, above 0.
    - `e_rev`: reversal potential, mV, of a conductance with weights in nS; None is a current
      with weights in pA.

    Rall 1967, J. Neurophysiol. 30:1138; Rotter & Diesmann 1999, Biol. Cybern. 81:381.
    """

    tau_syn: Float[Array, "..."] = parameter(2.0, "ms", above=0)

    def time_constants(self):
        return self.tau_syn, self.tau_syn
