"""Hodgkin-Huxley neuron."""

import collections
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.checks import as_float
from snnjax.core.neuron import AbstractNeuron, Noise
from snnjax.core.parameters import parameter
from snnjax.core.threshold import upward_crossing
from snnjax.neurons.channels import Channel
from snnjax.neurons.equilibrium import lowest_root
from snnjax.neurons.kinetics import (
    AbstractGate,
    Kinetics,
    hodgkin_huxley_1952,
    traub_miles,
    wang_buzsaki,
)


class HodgkinHuxleyState(NamedTuple):
    v: Float[Array, "*n"]  # mV
    m: Float[Array, "*n"]  # sodium activation
    h: Float[Array, "*n"]  # sodium inactivation: 1 is none
    n: Float[Array, "*n"]  # potassium activation
    noise: Noise | None = None  # of the channels; None in a deterministic cell


@functools.cache
def _state_type(gates: tuple[str, ...]) -> type:
    if gates == ("h", "m", "n"):
        return HodgkinHuxleyState
    return collections.namedtuple(
        "HodgkinHuxleyState", ("v", *gates, "noise"), defaults=[None]
    )


class HodgkinHuxley(AbstractNeuron[Any]):
    r"""Hodgkin-Huxley neuron: sodium, potassium and leak, and any channel more.

    $$C \dot v = I - g_{Na} m^3 h (v - e_{Na}) - g_K n^4 (v - e_K) - g_l (v - e_l)$$
    $$\dot x = \phi \, [\alpha_x(v) (1 - x) - \beta_x(v) x], \quad x = m, h, n, \quad
      \phi = q_{10}^{(T - 6.3) / 10}$$

    The rates are those of `hodgkin_huxley_1952` unless `kinetics` says otherwise. The
    default is in absolute voltage, at rest near -65 mV; `rest_zero()` is the convention of
    the paper, rest at 0 and depolarisation positive. A cell starts at its own rest: the
    lowest voltage at which the steady-state current vanishes, wherever its parameters put
    it. It fires once for each time v rises through `spike_level`.

    **Arguments**, each a scalar or an array with one value a neuron:

    - `g_na`, `g_k`, `g_l`: conductances, mS/cm2. `e_na`, `e_k`, `e_l`: reversals, mV.
      `e_l` is not the resting potential.
    - `c`: membrane capacitance, uF/cm2.
    - `temperature`: degrees C; `q10`: how much faster gates are 10 degrees warmer.
    - `spike_level`: mV. Repetitive spikes shrink under strong current: from 30 uA/cm2 on
      they stay below the default, and a lower level is needed to count them.
    - `v_init`: where v starts, mV; None is rest. `gates_init`: where gates start, by name;
      others are at their steady state.
    - `kinetics`: gates of the sodium and the potassium channel by name,
      `{"na": {"m": Gate(...), ...}, "k": {...}}`; the state has a field for each.
    - `channels`: further ones by name, `{"m": Channel(g, e, {"w": Gate(...)})}`.
    - `area`: of the membrane, um2; makes the channels finite in number, `density_na` and
      `density_k` per um2, and noisy. Each gate then gets the Langevin term
      $\sqrt{\phi \, [\alpha (1 - x) + \beta x] / N} \; \xi(t)$ and is kept in 0 .. 1. Noise
      of gates instead of channels is the simplest form and understates the fluctuations
      (Fox 1997, Biophys. J. 72:2068; Goldwyn & Shea-Brown 2011, PLoS Comput. Biol.
      7:e1002247). None is the limit of infinitely many channels.

    Input: current, uA/cm2. Hodgkin & Huxley 1952, J. Physiol. 117:500.
    """

    g_na: Float[Array, "..."] = parameter(120.0, "mS/cm2", at_least=0)
    g_k: Float[Array, "..."] = parameter(36.0, "mS/cm2", at_least=0)
    g_l: Float[Array, "..."] = parameter(0.3, "mS/cm2", at_least=0)
    e_na: Float[Array, "..."] = parameter(50.0, "mV")
    e_k: Float[Array, "..."] = parameter(-77.0, "mV")
    e_l: Float[Array, "..."] = parameter(-54.387, "mV")
    c: Float[Array, "..."] = parameter(1.0, "uF/cm2", above=0)
    temperature: Float[Array, "..."] = parameter(6.3, "degrees C")
    q10: Float[Array, "..."] = parameter(3.0, "", above=0)
    spike_level: Float[Array, "..."] = parameter(20.0, "mV")
    v_init: Float[Array, "..."] | None = parameter(None, "mV")
    gates_init: dict[str, Array] = eqx.field(
        default_factory=dict,
        converter=lambda gates: {x: as_float(y) for x, y in gates.items()},
        kw_only=True,
    )
    kinetics: Kinetics = eqx.field(default_factory=hodgkin_huxley_1952, kw_only=True)
    channels: dict[str, Channel] = eqx.field(default_factory=dict, kw_only=True)
    area: Float[Array, "..."] | None = parameter(None, "um2", above=0, kw_only=True)
    density_na: Float[Array, "..."] = parameter(60.0, "per um2", above=0, kw_only=True)
    density_k: Float[Array, "..."] = parameter(18.0, "per um2", above=0, kw_only=True)

    def __check_init__(self):
        if set(self.kinetics) != {"na", "k"}:
            raise ValueError(
                "HodgkinHuxley.kinetics must hold the gates of 'na' and 'k', got those of "
                f"{sorted(self.kinetics)}. Give further channels as channels=."
            )
        taken = {"na", "k", "l"} & set(self.channels)
        names = [x for gates in self._gates for x in gates]
        taken |= {x for x in names if names.count(x) > 1 or x in ("v", "noise")}
        if taken:
            raise ValueError(
                f"HodgkinHuxley.channels uses names that are taken: {sorted(taken)}. Each "
                "channel and each gate needs a name of its own."
            )
        unknown = set(self.gates_init) - set(self.variables)
        if unknown:
            raise ValueError(
                f"HodgkinHuxley.gates_init names {sorted(unknown)}, but the gates of the "
                f"state are {sorted(self.variables)}."
            )

    @classmethod
    def rest_zero(cls, **changes) -> "HodgkinHuxley":
        """The convention of 1952: rest at 0 mV, depolarisation positive."""
        own = {"e_na": 115.0, "e_k": -12.0, "e_l": 10.6, "spike_level": 50.0}
        return cls(**{**own, "kinetics": hodgkin_huxley_1952(0.0), **changes})

    @classmethod
    def slide(cls, **changes) -> "HodgkinHuxley":
        """A tenth of the leak, started from its rest as rounded on a much-copied slide.

        With the leak of 1952 a cell that starts there is far from rest and fires by itself.
        """
        gates = {"m": 0.0266, "h": 0.772, "n": 0.235}
        return cls(**{"g_l": 0.03, "v_init": -70.68, "gates_init": gates, **changes})

    @classmethod
    def traub_miles(cls, **changes) -> "HodgkinHuxley":
        """The cell of the COBAHH benchmark, started at -65 mV as there on average.

        It has no stable rest: without inhibition it fires by itself.
        Brette et al. 2007, J. Comput. Neurosci. 23:349.
        """
        own = {"g_na": 100.0, "g_k": 30.0, "g_l": 0.05, "e_k": -90.0, "e_l": -60.0}
        own |= {"spike_level": -20.0, "v_init": -65.0}
        return cls(**{**own, "kinetics": traub_miles(), **changes})

    @classmethod
    def wang_buzsaki(cls, **changes) -> "HodgkinHuxley":
        """Fast-spiking hippocampal interneuron.

        Wang & Buzsaki 1996, J. Neurosci. 16:6402.
        """
        own = {
            "g_na": 35.0,
            "g_k": 9.0,
            "g_l": 0.1,
            "e_na": 55.0,
            "e_k": -90.0,
            "e_l": -65.0,
        }
        return cls(**{**own, "spike_level": 0.0, "kinetics": wang_buzsaki(), **changes})

    @property
    def membrane(self) -> dict[str, Channel]:
        """All channels by name: na, k, l and the further ones."""
        return {
            "na": Channel(self.g_na, self.e_na, self.kinetics["na"], self.density_na),
            "k": Channel(self.g_k, self.e_k, self.kinetics["k"], self.density_k),
            "l": Channel(self.g_l, self.e_l),
            **dict(sorted(self.channels.items())),
        }

    @property
    def variables(self) -> dict[str, AbstractGate]:
        """The gates of all channels that are part of the state."""
        return {
            x: g for gates in self._gates for x, g in gates.items() if not g.instantaneous
        }

    @property
    def _gates(self):
        return [*self.kinetics.values(), *(c.gates for c in self.channels.values())]

    @property
    def reversal_range(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The lowest and the highest reversal potential, mV: v stays between them."""
        e = [channel.e for channel in self.membrane.values()]
        return functools.reduce(jnp.minimum, e), functools.reduce(jnp.maximum, e)

    @property
    def phi(self) -> Float[Array, "..."]:
        """How much faster gates are than at 6.3 degrees C."""
        return self.q10 ** ((self.temperature - 6.3) / 10)

    @property
    def stochastic(self) -> bool:
        return self.area is not None

    def rest(self) -> Any:
        v = self.resting_potential() if self.v_init is None else self.v_init
        gates = {x: gate.steady_state(v) for x, gate in self.variables.items()}
        return _state_type(tuple(sorted(gates)))(v=v, **{**gates, **self.gates_init})

    def resting_potential(self) -> Float[Array, "..."]:
        """The lowest voltage at which the steady-state current vanishes, mV."""
        return lowest_root(self.steady_current, *self.reversal_range)

    def derivative(self, state, current):
        x, phi = state._asdict(), self.phi
        slopes = {"v": current}
        for channel in self.membrane.values():
            slopes["v"] = slopes["v"] - channel.current(state.v, x)
            gates = channel.slopes(state.v, x)
            slopes |= {name: phi * slope for name, slope in gates.items()}
        return {**slopes, "v": slopes["v"] * (1 / self.c)}

    def spikes(self, before, after, dt):
        return upward_crossing(before.v, after.v, self.spike_level)

    def adjust(self, before, after, dt):
        if not self.stochastic:
            return after
        key, noisy = before.noise.now(), {}
        for channel in self.membrane.values():
            if channel.density is None:
                continue
            for name, gate in channel.variables.items():
                key, draw = jax.random.split(key)
                x, (alpha, beta) = getattr(before, name), gate.rates(before.v)
                flips = self.phi * (alpha * (1 - x) + beta * x) * dt
                sigma = jnp.sqrt(flips / (channel.density * self.area))
                xi = jax.random.normal(draw, x.shape, x.dtype)
                noisy[name] = jnp.clip(getattr(after, name) + sigma * xi, 0, 1)
        return after._replace(**noisy)

    def conductances(self, state: Any) -> dict[str, Array]:
        """mS/cm2 of each channel, in a state or in recorded traces by name."""
        x = _by_name(state)
        return {name: c.conductance(x["v"], x) for name, c in self.membrane.items()}

    def currents(self, state: Any) -> dict[str, Array]:
        """Outward current of each channel, uA/cm2, in a state or in traces by name."""
        x = _by_name(state)
        return {name: c.current(x["v"], x) for name, c in self.membrane.items()}

    def steady_states(self, v: Float[Array, "*n"]) -> dict[str, Array]:
        """Where each gate settles at `v` (mV)."""
        return {x: y for c in self.membrane.values() for x, y in c.steady_states(v).items()}

    def time_constants(self, v: Float[Array, "*n"]) -> dict[str, Array]:
        """How fast each gate settles at `v` (mV) at this temperature, ms."""
        return {x: gate.time_constant(v) / self.phi for x, gate in self.variables.items()}

    def steady_current(self, v: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The current that holds the cell at `v` (mV), uA/cm2; 0 at rest."""
        x = self.steady_states(v)
        return sum(channel.current(v, x) for channel in self.membrane.values())


def _by_name(state: Any) -> Mapping[str, Any]:
    return state if isinstance(state, Mapping) else state._asdict()
