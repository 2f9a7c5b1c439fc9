"""Divided differences of exp against 80-digit arithmetic."""

from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.core.linear import divided_exp


def exact(*points):
    with localcontext() as context:
        context.prec = 80
        return definition(*points)


def definition(*points):
    # Points 1e-25 apart stand for equal ones: the definition as it is written.
    x = [Decimal(float(p)) + i * Decimal(10) ** -25 for i, p in enumerate(points)]
    total = Decimal(0)
    for i, a in enumerate(x):
        product = Decimal(1)
        for j, b in enumerate(x):
            product *= a - b if i != j else 1
        total += a.exp() / product
    return float(total)


def points():
    rng = np.random.default_rng(0)
    for scale in 10.0 ** np.linspace(-9, 1.5, 60):
        x = -scale * rng.uniform(0, 1, 3)
        yield x
        yield x - 2.0
        yield np.array([x[0], x[0], x[2]])
        yield np.array([x[0], x[1], x[0]])
        yield np.full(3, x[0])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 4e-15), (np.float32, 2e-6)])
def test_it_is_exact_near_and_far(dtype, tolerance):
    x = np.array(list(points()), dtype)
    for n in (1, 2, 3):
        values = divided_exp(*jnp.asarray(x[:, :n]).T)
        np.testing.assert_allclose(values, [exact(*p[:n]) for p in x], rtol=tolerance)
        assert values.dtype == dtype


def test_the_order_of_points_does_not_matter():
    x = jnp.array([-0.3, -2.0, -0.31])
    values = [divided_exp(*x[jnp.array(p)]) for p in ([0, 1, 2], [2, 1, 0], [1, 0, 2])]
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("n", [2, 3])
def test_gradients_are_divided_differences_too(n):
    # d/dx_i exp[.., x_i, ..] = exp[.., x_i, x_i, ..], here by central differences.
    x = np.array(list(points()))[:, :n]
    x = x[np.abs(x).max(1) > 1e-7]
    total = lambda x: divided_exp(*x.T).sum()
    grads = jax.jit(jax.grad(total))(jnp.asarray(x))
    h = 1e-4
    for i in range(n):
        e = h * np.eye(n)[i]
        difference = (divided_exp(*(x + e).T) - divided_exp(*(x - e).T)) / (2 * h)
        np.testing.assert_allclose(grads[:, i], difference, rtol=2e-6, atol=1e-9)
