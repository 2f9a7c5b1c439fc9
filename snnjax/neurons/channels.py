"""An ion channel: a conductance, its reversal potential and its gates."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from snnjax.core.parameters import check_parameters, parameter
from snnjax.neurons.kinetics import AbstractGate


class Channel(eqx.Module):
    r"""One kind of channel, spread over a membrane:
    $I = g \prod_x x^{p_x} (v - e)$, outward positive.

    - `g`: conductance with all gates open, mS/cm2. `e`: reversal potential, mV.
    - `gates`: by name; a name is that of a variable of the state. None is a leak.
    - `density`: channels per um2, for channel noise; None leaves this channel without noise.
    """

    g: Float[Array, "..."] = parameter(unit="mS/cm2", at_least=0)
    e: Float[Array, "..."] = parameter(unit="mV")
    gates: dict[str, AbstractGate] = eqx.field(default_factory=dict)
    density: Float[Array, "..."] | None = parameter(None, "per um2", above=0)

    def __check_init__(self):
        check_parameters(self)

    @property
    def variables(self) -> dict[str, AbstractGate]:
        """The gates that have dynamics of their own."""
        # Sorted, as jax sorts dictionaries whenever a model enters a compiled function.
        return {x: g for x, g in sorted(self.gates.items()) if not g.instantaneous}

    def conductance(
        self, v: Float[Array, "*n"], x: Mapping[str, Any]
    ) -> Float[Array, "*n"]:
        """mS/cm2 at `v` (mV), given the gating variables `x` by name."""
        g = self.g
        for name, gate in sorted(self.gates.items()):
            value = gate.steady_state(v) if gate.instantaneous else x[name]
            g = g * value**gate.power
        return g

    def current(self, v: Float[Array, "*n"], x: Mapping[str, Any]) -> Float[Array, "*n"]:
        """Outward current at `v` (mV), uA/cm2, given the gating variables `x` by name."""
        return self.conductance(v, x) * (v - self.e)

    def slopes(self, v: Float[Array, "*n"], x: Mapping[str, Any]) -> dict[str, Array]:
        """dx/dt of each gating variable at `v` (mV), 1/ms."""
        return {name: gate.slope(x[name], v) for name, gate in self.variables.items()}

    def steady_states(self, v: Float[Array, "*n"]) -> dict[str, Array]:
        """Where each gate settles at `v` (mV), instantaneous ones included."""
        return {name: gate.steady_state(v) for name, gate in sorted(self.gates.items())}
