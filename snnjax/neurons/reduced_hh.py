"""Hodgkin-Huxley neuron reduced to two variables."""

from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from snnjax.core.integrators import AbstractIntegrator, ExponentialEuler
from snnjax.core.neuron import AbstractNeuron
from snnjax.core.parameters import parameter
from snnjax.core.threshold import upward_crossing
from snnjax.neurons.equilibrium import lowest_root
from snnjax.neurons.hodgkin_huxley import HodgkinHuxley, HodgkinHuxleyState


class ReducedHodgkinHuxleyState(NamedTuple):
    v: Float[Array, "*n"]  # mV
    n: Float[Array, "*n"]  # potassium activation, and what sodium is not inactivated


class ReducedHodgkinHuxley(AbstractNeuron[ReducedHodgkinHuxleyState]):
    r"""Hodgkin-Huxley neuron with instantaneous m and with h + n held constant.

    $$C \dot v = I - g_{Na} m_\infty(v)^3 (s - n) (v - e_{Na}) - g_K n^4 (v - e_K)
      - g_l (v - e_l)$$
    $$\dot n = \phi \, [\alpha_n(v) (1 - n) - \beta_n(v) n]$$

    Two variables can be drawn in a plane; FitzHugh-Nagumo is the next step. Currents and
    kinetics are those of the `HodgkinHuxley` it reduces, spikes too.

    **Arguments:**

    - `h_plus_n`: the constant s; near 0.8 during a spike of the squid axon.
    - `full`: the `HodgkinHuxley` to reduce, deterministic and with the gates m, h and n.
    - or any parameter of a `HodgkinHuxley`, such as `g_na=100.0`, which then makes it.

    Input: current, uA/cm2. Krinsky & Kokoz 1973, Biophysics 18:533; FitzHugh 1961, Biophys.
    J. 1:445.
    """

    full: HodgkinHuxley = eqx.field(default_factory=HodgkinHuxley)
    h_plus_n: Float[Array, "..."] = parameter(0.8)

    def __init__(
        self,
        h_plus_n: Any = 0.8,
        *,
        full: HodgkinHuxley | None = None,
        integrator: AbstractIntegrator | None = None,
        **parameters,
    ):
        if full is not None and parameters:
            raise ValueError(
                "Give ReducedHodgkinHuxley full= or parameters of it, not both: got "
                f"{', '.join(parameters)}."
            )
        self.full = HodgkinHuxley(**parameters) if full is None else full
        self.h_plus_n = h_plus_n
        self.integrator = ExponentialEuler() if integrator is None else integrator

    def __check_init__(self):
        gates = {x for channel in self.full.membrane.values() for x in channel.gates}
        if gates != {"m", "h", "n"} or self.full.stochastic:
            raise ValueError(
                "ReducedHodgkinHuxley.full must be deterministic (area=None) and have the "
                f"gates m, h and n, got {sorted(gates)}, area={self.full.area}."
            )

    def expand(self, state: ReducedHodgkinHuxleyState) -> HodgkinHuxleyState:
        """The state of the full model that `state` stands for."""
        m = self.full.steady_states(state.v)["m"]
        return HodgkinHuxleyState(state.v, m, self.h_plus_n - state.n, state.n)

    def rest(self) -> ReducedHodgkinHuxleyState:
        v = self.full.v_init
        if v is None:
            v = lowest_root(self.steady_current, *self.full.reversal_range)
        return self._settled(v)

    def derivative(self, state, current):
        slopes = self.full.derivative(self.expand(state), current)
        return {"v": slopes["v"], "n": slopes["n"]}

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, self.full.spike_level)

    def steady_current(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The current that holds the cell at `v` (mV), uA/cm2; 0 at rest."""
        return sum(self.full.currents(self.expand(self._settled(v))).values())

    def _settled(self, v):
        return ReducedHodgkinHuxleyState(v, self.full.steady_states(v)["n"])
