"""Spike-timing-dependent plasticity of pairs of spikes."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals

PAIRINGS = ("all", "nearest", "pre_centred")


class PairTraces(NamedTuple):
    x: Float[Array, "n_pre"]  # of earlier spikes of the source
    y: Float[Array, "n_post"]  # of the target


class STDP(AbstractRule):
    r"""Pair-based STDP: a window of two exponentials.

    With $\Delta t = t_{post} - t_{pre}$, each pair of spikes changes the weight by

    $$\Delta w = A_+ e^{-\Delta t / \tau_+} \; (\Delta t > 0), \qquad
      -A_- e^{\Delta t / \tau_-} \; (\Delta t < 0),$$

    and by nothing at $\Delta t = 0$. `bounds` say how a change depends on the weight: additive
    `HardBounds`, multiplicative or power-law `SoftBounds`.

    - `a_plus`, `a_minus`: in units of the weight; a negative value turns a branch round.
    - `tau_plus`, `tau_minus`: ms, above 0.
    - `pairing`: which pairs count (Morrison, Diesmann & Gerstner 2008). "all": every spike with
      every earlier one of the other side. "nearest": every spike with the last one of the other
      side (nearest-neighbour symmetric). "pre_centred": each spike of the source with the last
      one of the target before it and the first after it.

    Song, Miller & Abbott 2000, Nat. Neurosci. 3:919; Bi & Poo 1998, J. Neurosci. 18:10464;
    Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98:459.
    """

    a_plus: Float[Array, ""] = parameter(0.01, per_neuron=False)
    a_minus: Float[Array, ""] = parameter(0.012, per_neuron=False)
    tau_plus: Float[Array, ""] = parameter(20.0, "ms", above=0, per_neuron=False)
    tau_minus: Float[Array, ""] = parameter(20.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)
    pairing: Literal["all", "nearest", "pre_centred"] = eqx.field(
        default="all", static=True, kw_only=True
    )

    def __check_init__(self):
        checks.one_of(self.pairing, PAIRINGS, "STDP.pairing")

    @property
    def by_event(self):
        return self.pairing != "pre_centred"

    def traces(self, pre, post, dt):
        return PairTraces(pre, post)

    def own(self, w):
        """Spikes of the source since the last one of the target."""
        return None if self.by_event else jnp.zeros_like(w)

    def observe(self, traces: PairTraces, signals: Signals, dt):
        x = traces.x * jnp.exp(-dt / self.tau_plus)
        y = traces.y * jnp.exp(-dt / self.tau_minus)
        x_after, y_after = x + signals.pre, y + signals.post
        if self.pairing != "all":
            x_after, y_after = x_after - x * signals.pre, y_after - y * signals.post
        return Seen(signals.pre, signals.post, x, y), PairTraces(x_after, y_after)

    def on_pre(self, w, pre, post):
        return -self.a_minus * post

    def on_post(self, w, pre, post):
        return self.a_plus * pre

    def change(self, own, w, seen, dt):
        if self.by_event:
            return super().change(own, w, seen, dt)
        own = own * jnp.exp(-dt / self.tau_plus)
        _, w = super().change(None, w, seen._replace(pre=own), dt)
        return own * (1 - seen.post_event) + seen.pre_event, w
