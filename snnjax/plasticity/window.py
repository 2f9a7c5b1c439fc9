"""Spike-timing-dependent plasticity with a window of any form."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from snnjax.core import checks
from snnjax.core.parameters import check_parameters, parameter
from snnjax.plasticity.bounds import AbstractBounds, HardBounds
from snnjax.plasticity.rule import AbstractRule, Seen, Signals


class TriphasicWindow(eqx.Module):
    r"""A window that depresses, potentiates and depresses again: a difference of Gaussians.

    $$W(\Delta t) = A_+ e^{-(\Delta t - d_+)^2 / 2 s_+^2} - A_- e^{-(\Delta t - d_-)^2 / 2 s_-^2}$$

    The defaults are the usual $A_+ e^{-(\Delta t - 15)^2 / 200} - A_- e^{-(\Delta t - 20)^2 /
    2000}$, above 0 from 4.54 to 24.35 ms.

    - `a_plus`, `a_minus`: heights, in units of the weight. `delay_plus`, `delay_minus`: centres,
      ms. `s_plus`, `s_minus`: widths, ms, above 0.

    Wittenberg & Wang 2006, J. Neurosci. 26:6610, found such windows in the hippocampus.
    """

    a_plus: Float[Array, ""] = parameter(0.23, per_neuron=False)
    a_minus: Float[Array, ""] = parameter(0.15, per_neuron=False)
    delay_plus: Float[Array, ""] = parameter(15.0, "ms", per_neuron=False)
    delay_minus: Float[Array, ""] = parameter(20.0, "ms", per_neuron=False)
    s_plus: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    s_minus: Float[Array, ""] = parameter(1000.0**0.5, "ms", above=0, per_neuron=False)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        plus = self.a_plus * _bell((lag - self.delay_plus) / self.s_plus)
        return plus - self.a_minus * _bell((lag - self.delay_minus) / self.s_minus)


class RickerWindow(eqx.Module):
    r"""A symmetric window of three phases, the negative curvature of a Gaussian.

    $$W(\Delta t) = a \, (1 - (\Delta t / s)^2) \, e^{-\Delta t^2 / 2 s^2}$$

    It potentiates within $\pm s$ and depresses around; its area is 0.

    - `a`: height, in units of the weight. `s`: ms, above 0.
    """

    a: Float[Array, ""] = parameter(0.01, per_neuron=False)
    s: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)

    def __check_init__(self):
        check_parameters(self)

    def __call__(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.a * (1 - (lag / self.s) ** 2) * _bell(lag / self.s)


def _bell(x):
    return jnp.exp(-(x**2) / 2)


class WindowTraces(NamedTuple):
    pre: Float[Array, "steps n_pre"]  # spikes of the last steps, a ring
    post: Float[Array, "steps n_post"]
    row: Int[Array, ""]  # the newest


class WindowSTDP(AbstractRule):
    r"""Pair-based STDP by a window of one's own: every pair of spikes changes the weight.

    $$\Delta w = W(t_{post} - t_{pre}), \quad |t_{post} - t_{pre}| \le reach$$

    Two spikes in one step change it by W(0).

    - `window`: a module, called with an array of $t_{post} - t_{pre}$ (ms), such as
      `TriphasicWindow()`, or any function of it. Its parameters have gradients.
    - `reach`: ms. A step costs in proportion to reach / dt times the neurons of both sides: for
      windows of exponentials `STDP` is cheaper.
    - `lazy`: leave that out in steps where the other side is silent. The weights are the same,
      as long as synapses see their source and target at once: projections with a delay refuse it.
    """

    window: Callable
    reach: float = eqx.field(default=100.0, static=True)
    bounds: AbstractBounds = eqx.field(default_factory=HardBounds)
    lazy: bool = eqx.field(default=False, static=True, kw_only=True)

    @property
    def delayed(self):
        return not self.lazy

    def __check_init__(self):
        checks.above(self.reach, 0, "WindowSTDP.reach", "ms")
        if not callable(self.window) or isinstance(self.window, type):
            raise ValueError(
                "WindowSTDP.window must be a function of t_post - t_pre (ms), such as "
                f"TriphasicWindow(), got {self.window!r}."
            )

    def traces(self, pre, post, dt):
        rows = int(self.reach / checks.decimal(dt) * (1 + 1e-6)) + 1
        ring = lambda x: jnp.zeros((*x.shape[:-1], rows, x.shape[-1]), x.dtype)
        return WindowTraces(ring(pre), ring(post), jnp.zeros(pre.shape[:-1], jnp.int32))

    def observe(self, traces: WindowTraces, signals: Signals, dt):
        rows = traces.pre.shape[0]
        row = (traces.row + 1) % rows
        pre, post = (
            traces.pre.at[row].set(signals.pre),
            traces.post.at[row].set(signals.post),
        )
        ago = ((row - jnp.arange(rows)) % rows) * dt
        x = self._sum(self.window(ago), pre, signals.post)
        # What both do in one step counts once, for the target.
        y = self._sum(jnp.where(ago > 0, self.window(-ago), 0), post, signals.pre)
        return Seen(signals.pre, signals.post, x, y), WindowTraces(pre, post, row)

    def _sum(self, kernel, ring, other):
        """Earlier spikes, each times the window."""
        product = lambda ring: jnp.matmul(
            kernel.astype(ring.dtype), ring, precision="highest"
        )
        if not self.lazy:
            return product(ring)
        return lax.cond(
            (other != 0).any(), product, lambda ring: jnp.zeros_like(ring[0]), ring
        )

    def on_pre(self, w, pre, post):
        return post

    def on_post(self, w, pre, post):
        return pre
