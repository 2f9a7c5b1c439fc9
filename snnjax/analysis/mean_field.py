"""Rates of a network of integrate-and-fire populations, from mean-field theory."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from snnjax.core import checks
from snnjax.measures.lif_rate import siegert


def self_consistent_rates(
    weight: Float[ArrayLike, "*k"],
    in_degree: Float[ArrayLike, "*k"],
    mu: Float[ArrayLike, "..."],
    sigma: Float[ArrayLike, "..."],
    tau_m: Float[ArrayLike, "..."] = 20.0,
    t_ref: Float[ArrayLike, "..."] = 2.0,
    v_th: Float[ArrayLike, "..."] = 20.0,
    v_reset: Float[ArrayLike, "..."] = 10.0,
    tau_syn: Float[ArrayLike, "..."] = 0.0,
    *,
    guess: Float[ArrayLike, "..."] = 0.0,
    max_steps: int = 4096,
) -> Float[Array, "k"]:
    r"""Stationary rates in Hz of populations that fire asynchronously and irregularly.

    $$\nu_i = \Phi(\mu_i, \sigma_i), \quad
    \mu_i = \mu^{ext}_i + \tau_m \sum_j C_{ij} J_{ij} \nu_j, \quad
    \sigma_i^2 = (\sigma^{ext}_i)^2 + \tau_m \sum_j C_{ij} J_{ij}^2 \nu_j$$

    with $\Phi$ the rate of `siegert`. Each neuron of population i has $C_{ij}$ inputs of
    weight $J_{ij}$ from population j (Brunel 2000, J. Comput. Neurosci. 8:183).

    - `weight`, `in_degree`: [target, source]; `weight` in mV, by which a spike moves v (of a
      synaptic current, its integral over the capacitance). Both broadcast to a square.
    - `mu`, `sigma`: mV; of the external drive. Poisson spikes of rate r that move v by J
      give $\mu = J r \tau_m$, $\sigma = |J| \sqrt{r \tau_m}$.
    - `tau_m`, `t_ref`, `v_th`, `v_reset`, `tau_syn`: of each population, as in `siegert`.
    - `guess`: Hz. Of several solutions, the one to which rates relax from here by
      $\dot\nu = \Phi(\nu) - \nu$.
    - `max_steps`: of the relaxation, after which Newton's method starts from where it is.

    Two populations of the network of Brunel 2000 (g 5, eta 2):

        rates = self_consistent_rates([[0.1, -0.5]] * 2, [[1000, 250]] * 2, 40.0, 2.0)

    Runs under `jit` and `vmap`, and can be differentiated in everything but `guess`. Raises
    where no solution is found.
    """
    weight = checks.finite(weight, "self_consistent_rates.weight", "mV")
    in_degree = checks.at_least(in_degree, 0, "self_consistent_rates.in_degree")
    weight, in_degree = jnp.broadcast_arrays(weight, in_degree)
    if weight.ndim != 2 or weight.shape[0] != weight.shape[1]:
        raise ValueError(
            "self_consistent_rates.weight and in_degree must broadcast to [targets, sources] "
            f"of the same populations, got shape {list(weight.shape)}."
        )
    mu = checks.finite(mu, "self_consistent_rates.mu", "mV")
    sigma = checks.at_least(sigma, 0, "self_consistent_rates.sigma", "mV")
    guess = checks.at_least(guess, 0, "self_consistent_rates.guess", "Hz")
    dtype = jnp.result_type(weight, mu, sigma)
    start = jnp.broadcast_to(guess, (len(weight),)).astype(dtype)
    cell = tuple(map(checks.as_float, (tau_m, t_ref, v_th, v_reset, tau_syn)))
    return _solve(start, (in_degree * weight, weight, mu, sigma, cell), max_steps)


def _excess(rates, args):
    """Phi(rates) - rates; both in Hz."""
    drive, weight, mu, sigma, (tau_m, *cell) = args
    heard = 1e-3 * jnp.maximum(rates, 0)  # a step too far must not give a negative variance
    mean = mu + tau_m * (drive @ heard)
    variance = sigma**2 + tau_m * ((drive * weight) @ heard)
    noise = jnp.sqrt(jnp.maximum(variance, jnp.finfo(variance.dtype).eps))
    return siegert(mean, noise, tau_m, *cell) - rates


@eqx.filter_jit
def _solve(start: Array, args: Any, max_steps: int) -> Array:
    import diffrax
    import optimistix as optx

    relaxed = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, rates, args: _excess(rates, args)),
        diffrax.Tsit5(),
        t0=0.0,
        t1=jnp.inf,
        dt0=1e-3,
        y0=start,
        args=args,
        stepsize_controller=diffrax.PIDController(rtol=1e-3, atol=1e-3),
        event=diffrax.Event(diffrax.steady_state_event(rtol=1e-3, atol=1e-3)),
        max_steps=max_steps,
        throw=False,
    ).ys[-1]
    relaxed = jax.lax.stop_gradient(jnp.nan_to_num(relaxed, nan=0.0, posinf=0.0))
    tolerance = float(jnp.finfo(start.dtype).eps) ** (2 / 3)  # the last step squares it
    newton = optx.Newton(rtol=tolerance, atol=tolerance)
    return optx.root_find(_excess, newton, relaxed, args, max_steps=256).value
