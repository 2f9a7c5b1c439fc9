"""Spike-timing-dependent plasticity of triplets of spikes."""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals

PAIRINGS = ("all", "nearest")


class TripletTraces(NamedTuple):
    r1: Float[Array, "n_pre"]  # of earlier spikes of the source, fast
    r2: Float[Array, "n_pre"]  # slow
    o1: Float[Array, "n_post"]  # of the target, fast
    o2: Float[Array, "n_post"]  # slow


class TripletSTDP(AbstractRule):
    r"""Triplet STDP: pairs count the more, the sooner they follow an earlier spike.

    Each side keeps a fast and a slow trace of its spikes, that fall with $\tau_+$ ($r_1$) and
    $\tau_x$ ($r_2$) in the source, $\tau_-$ ($o_1$) and $\tau_y$ ($o_2$) in the target. At a spike

    $$\text{of the source: } w \leftarrow w - o_1 (A_2^- + A_3^- r_2), \quad
      \text{of the target: } w \leftarrow w + r_1 (A_2^+ + A_3^+ o_2),$$

    all as they stood before the spikes of that moment. Unlike `STDP` it gives what pairing at
    different frequencies does: a pair of +10 ms potentiates at 40 Hz and does nothing at 0.1 Hz.

    - `a2_plus`, `a3_plus`, `a2_minus`, `a3_minus`: in units of the weight, of pairs and of
      triplets. The defaults are `visual_cortex()`.
    - `tau_plus`, `tau_minus`, `tau_x`, `tau_y`: ms, above 0.
    - `pairing`: "all" spikes add to the traces, or only the "nearest" counts: traces go to 1.

    Pfister & Gerstner 2006, J. Neurosci. 26:9673.
    """

    a2_plus: Float[Array, ""] = parameter(0.0, per_neuron=False)
    a3_plus: Float[Array, ""] = parameter(6.5e-3, per_neuron=False)
    a2_minus: Float[Array, ""] = parameter(7.1e-3, per_neuron=False)
    a3_minus: Float[Array, ""] = parameter(0.0, per_neuron=False)
    tau_plus: Float[Array, ""] = parameter(16.8, "ms", above=0, per_neuron=False)
    tau_minus: Float[Array, ""] = parameter(33.7, "ms", above=0, per_neuron=False)
    tau_x: Float[Array, ""] = parameter(101.0, "ms", above=0, per_neuron=False)
    tau_y: Float[Array, ""] = parameter(114.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)
    pairing: Literal["all", "nearest"] = eqx.field(default="all", static=True, kw_only=True)

    def __check_init__(self):
        checks.one_of(self.pairing, PAIRINGS, "TripletSTDP.pairing")

    @classmethod
    def visual_cortex(cls, *, full: bool = False, **changes: Any) -> "TripletSTDP":
        """As fitted to slices of visual cortex, all-to-all: the minimal set, or the `full` one."""
        minimal = dict(
            a2_plus=0.0, a3_plus=6.5e-3, a2_minus=7.1e-3, a3_minus=0.0, tau_y=114.0
        )
        whole = dict(
            a2_plus=5e-10, a3_plus=6.2e-3, a2_minus=7e-3, a3_minus=2.3e-4, tau_y=125.0
        )
        return cls(**{"tau_x": 101.0, **(whole if full else minimal), **changes})

    @classmethod
    def hippocampus(cls, **changes: Any) -> "TripletSTDP":
        """As fitted to cultured hippocampal cells, all-to-all: the minimal set."""
        fitted = dict(a2_plus=5.3e-3, a3_plus=8e-3, a2_minus=3.5e-3, a3_minus=0.0)
        return cls(**{"tau_x": 946.0, "tau_y": 40.0, **fitted, **changes})

    def traces(self, pre, post, dt):
        return TripletTraces(pre, pre, post, post)

    def observe(self, traces: TripletTraces, signals: Signals, dt):
        taus = self.tau_plus, self.tau_x, self.tau_minus, self.tau_y
        pre, post = signals.pre, signals.post
        r1, r2, o1, o2 = (x * jnp.exp(-dt / t) for x, t in zip(traces, taus, strict=True))
        shown = ((r1, pre), (r2, pre), (o1, post), (o2, post))
        room = (lambda x: 1) if self.pairing == "all" else (lambda x: 1 - x)
        after = TripletTraces(*(x + s * room(x) for x, s in shown))
        return Seen(pre, post, (r1, r2), (o1, o2)), after

    def on_pre(self, w, pre, post):
        return -post[0] * (self.a2_minus + self.a3_minus * pre[1])

    def on_post(self, w, pre, post):
        return pre[0] * (self.a2_plus + self.a3_plus * post[1])
