"""Plasticity by the potential of the target."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from snnjax.core import checks
from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals


class ClopathTraces(NamedTuple):
    x: Float[Array, "n_pre"]  # 1/ms, low-passed spikes of the source
    u_minus: Float[Array, "n_post"]  # mV, low-passed potential
    u_plus: Float[Array, "n_post"]  # mV, likewise
    mean: Float[Array, "n_post"]  # mV above rest, over a second
    peak: Float[Array, "n_post"]  # ms left of the last spike
    earlier: Float[Array, "steps 2 n_post"]  # u_minus and u_plus of the last steps, a ring
    step: Int[Array, ""]


class Clopath(AbstractRule):
    r"""Voltage-based plasticity: the potential of the target decides.

    With the potential u, its low-pass filtered $\bar u_-$ and $\bar u_+$ (with $\tau_-$,
    $\tau_+$), and $\bar x$ the low-pass filtered spikes of the source, each of which adds
    $1 / \tau_x$,

    $$\frac{dw}{dt} = -A_{LTD} \, S_{pre}(t) \, [\bar u_- - \theta_-]_+
      + A_{LTP} \, \bar x \, [u - \theta_+]_+ \, [\bar u_+ - \theta_-]_+$$

    where $[z]_+ = \max(z, 0)$. A weight changes only at spikes of its source and where u is above
    $\theta_+$. Filters are read as they were before the step.

    Integrate-and-fire neurons have no spike: from the step in which it fires, for `t_peak`, u is
    `v_peak`, whatever the neuron's potential. $\bar u_\pm$ are read as they were `delay` earlier,
    so that a spike, which takes time, does not meet what it has itself raised.

    - `a_ltd`: 1/mV, `a_ltp`: 1/mV^2, in units of the weight.
    - `theta_minus`, `theta_plus`: mV. `tau_x`, `tau_minus`, `tau_plus`: ms, above 0.
    - `v_peak`: mV. `t_peak`: ms; 0 for neurons whose potential has the form of a spike.
      `delay`: ms, longer than a spike.
    - `e_l`: rest, mV, where the filters begin.
    - `u_ref`: mV, or None. With it depression is homeostatic: it is multiplied by
      $(\bar{\bar u} / u_{ref})^2$, of the mean depolarisation above `e_l`, with `tau_mean` (ms).

    The defaults are those of visual cortex, but for `u_ref`, whose square there is 60 mV^2.

    Clopath, Buesing, Vasilaki & Gerstner 2010, Nat. Neurosci. 13:344.
    """

    a_ltd: Float[Array, ""] = parameter(14e-5, "1/mV", per_neuron=False)
    a_ltp: Float[Array, ""] = parameter(8e-5, "1/mV^2", per_neuron=False)
    theta_minus: Float[Array, ""] = parameter(-70.6, "mV", per_neuron=False)
    theta_plus: Float[Array, ""] = parameter(-45.3, "mV", per_neuron=False)
    tau_x: Float[Array, ""] = parameter(15.0, "ms", above=0, per_neuron=False)
    tau_minus: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    tau_plus: Float[Array, ""] = parameter(7.0, "ms", above=0, per_neuron=False)
    v_peak: Float[Array, ""] = parameter(33.0, "mV", per_neuron=False)
    t_peak: Float[Array, ""] = parameter(2.0, "ms", at_least=0, per_neuron=False)
    e_l: Float[Array, ""] = parameter(-70.6, "mV", per_neuron=False)
    u_ref: Float[Array, ""] | None = parameter(None, "mV", above=0, per_neuron=False)
    tau_mean: Float[Array, ""] = parameter(1000.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)
    delay: float = eqx.field(default=5.0, static=True, kw_only=True)

    needs_v = True

    def __check_init__(self):
        checks.at_least(self.delay, 0, "Clopath.delay", "ms")

    def traces(self, pre, post, dt):
        rest = post + self.e_l.astype(post.dtype)
        rows = round(self.delay / checks.decimal(dt)) + 1
        earlier = jnp.broadcast_to(
            rest[..., None, None, :], (*rest.shape[:-1], rows, 2, rest.shape[-1])
        )
        step = jnp.zeros(post.shape[:-1], jnp.int32)
        return ClopathTraces(pre, rest, rest, post, post, earlier, step)

    def observe(self, traces: ClopathTraces, signals: Signals, dt):
        peak = jnp.where(signals.post > 0, self.t_peak, traces.peak)
        # Half a step of slack, as 2 ms less 20 steps of 0.1 ms is not 0.
        u = jnp.where(peak > 0.5 * dt, self.v_peak, signals.v)
        towards = lambda old, new, tau: new + (old - new) * jnp.exp(-dt / tau)
        x = traces.x * jnp.exp(-dt / self.tau_x)
        rows = traces.earlier.shape[0]
        now = jnp.stack([traces.u_minus, traces.u_plus])
        earlier = traces.earlier.at[traces.step % rows].set(now)
        u_minus, u_plus = earlier[(traces.step + 1) % rows]
        depression = self.a_ltd * jnp.maximum(u_minus - self.theta_minus, 0)
        if self.u_ref is not None:
            depression = depression * (traces.mean / self.u_ref) ** 2
        drive = jnp.maximum(u - self.theta_plus, 0)
        potentiation = drive * jnp.maximum(u_plus - self.theta_minus, 0) * dt
        after = ClopathTraces(
            x + signals.pre / self.tau_x,
            towards(traces.u_minus, u, self.tau_minus),
            towards(traces.u_plus, u, self.tau_plus),
            towards(traces.mean, u - self.e_l, self.tau_mean),
            jnp.maximum(peak - dt, 0),
            earlier,
            traces.step + 1,
        )
        return Seen(signals.pre, potentiation, x, depression), after

    def on_pre(self, w, pre, post):
        return -post

    def on_post(self, w, pre, post):
        return self.a_ltp * pre
