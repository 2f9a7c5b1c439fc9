"""Closed forms of small linear systems: divided differences of the exponential.

In a chain of linear equations, each fed by the one before,
$x_1' = -\\lambda_1 x_1$, $x_2' = -\\lambda_2 x_2 + x_1$, $x_3' = -\\lambda_3 x_3 + x_2$,
what $x_1(0)$ leaves in $x_n$ after a time t is
$t^{n-1} \\exp[-\\lambda_1 t, \\dots, -\\lambda_n t]$, where [..] is the divided difference. A
constant input is a first member with $\\lambda = 0$. Equal rates are no special case.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.integrators import phi1


def divided_exp(*x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The divided difference of exp at one, two or three points, which may coincide."""
    if len(x) == 1:
        return jnp.exp(x[0])
    if len(x) == 2:
        low, high = jnp.minimum(*x), jnp.maximum(*x)
        return jnp.exp(high) * phi1(low - high)
    return _divided_exp_of_three(*x)


def _divided_exp_of_three(a, b, c):
    low = jnp.minimum(jnp.minimum(a, b), c)
    high = jnp.maximum(jnp.maximum(a, b), c)
    middle = jnp.maximum(jnp.minimum(a, b), jnp.minimum(jnp.maximum(a, b), c))
    # Points closer than this lose digits in the quotient, which the series does not.
    near = high - low < 0.5
    span = jnp.where(near, 1.0, high - low)
    quotient = (divided_exp(middle, high) - divided_exp(low, middle)) / span
    return jnp.where(near, _series(a, b, c, near), quotient)


def _series(a, b, c, near):
    """e^m sum_k h_k / (k + 2)!, with h_k the complete symmetric polynomials about m."""
    m = (a + b + c) / 3
    a, b, c = (jnp.where(near, x - m, 0.0) for x in (a, b, c))
    e2, e3 = a * b + a * c + b * c, a * b * c  # and e1 = a + b + c = 0
    h = [jnp.ones_like(m), jnp.zeros_like(m), -e2]
    total, factorial = h[0] / 2 + h[2] / 24, 24.0
    for k in range(3, 13):
        h.append(e3 * h[k - 3] - e2 * h[k - 2])
        factorial *= k + 2
        total = total + h[k] / factorial
    return jnp.exp(m) * total
