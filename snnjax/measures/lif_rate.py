"""The rate of leaky integrate-and-fire neurons driven by noise, in closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import as_float, at_least, finite, positive

_NODES = 256
_ZETA_HALF = 1.4603545088095868  # |zeta(1/2)|, Riemann's


def siegert(
    mu: Float[ArrayLike, "..."],
    sigma: Float[ArrayLike, "..."],
    tau_m: Float[ArrayLike, "..."] = 20.0,
    t_ref: Float[ArrayLike, "..."] = 2.0,
    v_th: Float[ArrayLike, "..."] = 20.0,
    v_reset: Float[ArrayLike, "..."] = 10.0,
    tau_syn: Float[ArrayLike, "..."] = 0.0,
) -> Float[Array, "..."]:
    r"""Rate in Hz of a leaky integrate-and-fire neuron driven by white noise.

    $$\frac{1}{\nu} = t_{ref} + \tau_m \sqrt\pi
    \int_{(v_{reset} - \mu)/\sigma}^{(v_{th} - \mu)/\sigma} e^{u^2} (1 + \mathrm{erf}\,u)\,du$$

    of $\tau_m \dot v = \mu - v + \sigma \sqrt{\tau_m}\, \xi(t)$, so that without threshold v
    has the mean `mu` and the standard deviation $\sigma / \sqrt 2$. Poisson spikes of rate r
    that each move v by J give $\mu = J r \tau_m$, $\sigma = |J| \sqrt{r \tau_m}$, if they are
    many and small.

    - `mu`, `sigma`: mV; `sigma` above 0. `v_th`, `v_reset`: mV, the latter below the former.
    - `tau_m`, `t_ref`: ms.
    - `tau_syn`: ms; of synaptic currents that decay exponentially, to first order in
      $\sqrt{\tau_{syn} / \tau_m}$: both bounds move up by $\sqrt{\tau_{syn} / 2 \tau_m}\,
      |\zeta(1/2)|$; `sigma` stays that of the noise before the synapse.

    Arguments broadcast. To about 1e-13 in float64 from the driftless limit to rates of
    1e-300 Hz, and differentiable in all of them. With discrete time steps dt or jumps J a
    simulation fires less: like the theory with a threshold higher by about
    $0.58\, \sigma \sqrt{dt / \tau_m}$ (Siegert 1951, Phys. Rev. 81:617; Brunel 2000, J.
    Comput. Neurosci. 8:183; Fourcaud & Brunel 2002, Neural Comput. 14:2057).
    """
    mu, v_th = finite(mu, "siegert.mu", "mV"), finite(v_th, "siegert.v_th", "mV")
    sigma = positive(sigma, "siegert.sigma", "mV")
    tau_m = positive(tau_m, "siegert.tau_m", "ms")
    t_ref = at_least(t_ref, 0, "siegert.t_ref", "ms")
    tau_syn = at_least(tau_syn, 0, "siegert.tau_syn", "ms")
    gap = positive(v_th - as_float(v_reset), "siegert: v_th - v_reset", "mV")
    shift = _ZETA_HALF * _sqrt(tau_syn / (2 * tau_m))
    scaled, factor = _passage((v_th - mu) / sigma + shift, gap / sigma)
    return 1e3 * factor / (t_ref * factor + tau_m * scaled)


def _passage(top: Array, width: Array) -> tuple[Array, Array]:
    r"""(f x the integral with its $\sqrt\pi$, f), where f = exp(-top^2) if top > 0, or 1.

    The integral is $\int_0^\infty e^{-w^2} (e^{2 top w} - e^{2 bottom w}) / w\, dw$ (Brunel &
    Hakim 1999, Neural Comput. 11:1621). With $w = \log(1 + e^s)$ the integrand is analytic
    and falls off on both sides, so that the trapezoidal rule converges exponentially.
    """
    top, width = jnp.broadcast_arrays(top, width)
    stop = jax.lax.stop_gradient  # neither the nodes nor the factor change the value
    height = stop(jnp.maximum(top, 0))
    digits = -jnp.log(jnp.finfo(top.dtype).eps)
    first = -digits - jnp.log1p(2 * stop(width - jnp.minimum(top, 0)))
    last = height + jnp.sqrt(digits) + 1
    h = ((last - first) / (_NODES - 1))[..., None]
    s = first[..., None] + h * jnp.arange(_NODES, dtype=top.dtype)
    w = jax.nn.softplus(s)
    top, width, height = top[..., None], width[..., None], height[..., None]
    # -w^2 + 2 top w - height^2, in a form that does not take the difference of large numbers
    exponent = -((w - height) ** 2) + 2 * (top - height) * w
    f = jnp.exp(exponent) * -jnp.expm1(-2 * width * w) / w * jax.nn.sigmoid(s)
    return (h * f).sum(-1), jnp.exp(-(height[..., 0] ** 2))


def _sqrt(x: Array) -> Array:
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)  # its slope at 0 is 0
