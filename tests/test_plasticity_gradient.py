"""Derivatives through learning: exact, in bounded memory, and good for finding constants."""

import importlib.util
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix

from snnjax.plasticity import STDP, NoBounds, replay

FOLDER = Path(__file__).parents[1] / "benchmarks" / "plasticity"


def benchmark(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gradient_of_a_network_that_learns_is_that_of_its_rule():
    """At the spikes it fires: forwards = backwards = differences of the rule replayed."""
    gradient = benchmark("gradient")
    net, state = gradient.network(n=60, rate_hz=300.0)
    forward, backward, slopes = gradient.check(net, state, 3000)
    np.testing.assert_allclose(forward, backward, rtol=1e-9)
    np.testing.assert_allclose(forward, slopes, rtol=1e-6)
    assert (forward < 0).all()  # stronger and longer depression: weaker synapses


def test_memory_of_the_gradient_is_bounded():
    """All weights and traces of all steps would take 10 MB: forwards 1 %, backwards 20 %."""
    gradient = benchmark("gradient")
    net, state = gradient.network(n=60, rate_hz=300.0)
    arrays, static = eqx.partition((net, state), eqx.is_array)
    n_steps = 10_000
    every_step = n_steps * 2 * 60 * jnp.zeros(()).nbytes

    def temporary(function):
        of = lambda c, a: function(c, *eqx.combine(a, static), n_steps)
        compiled = jax.jit(of).lower(jnp.asarray(gradient.START), arrays).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary(jax.jacfwd(gradient.forwards)) < 0.01 * every_step
    assert temporary(jax.grad(gradient.backwards)) < 0.2 * every_step


def pairings(seed=0, n=40, n_steps=400, p=0.02):
    rng = np.random.default_rng(seed)
    draw = lambda: (rng.random((n_steps, n)) < p).astype(float)
    return draw(), draw()


def measured(constants, pre, post):
    """How pairs of trains change a weight each: what an experiment gives."""
    rule = STDP(*constants, bounds=NoBounds())
    one = lambda pre, post: replay(rule, pre, post, 0.5).weights[0, 0]
    return jax.vmap(one, (1, 1))(pre, post)


TRUE = np.array([0.011, 0.007, 14.0, 31.0])  # a_plus, a_minus, tau_plus, tau_minus
GUESS = np.array([0.005, 0.005, 20.0, 20.0])


def test_a_window_is_recovered_from_the_changes_it_made():
    pre, post = pairings()
    changes = measured(TRUE, pre, post)
    residual = lambda c, _: (measured(GUESS * jnp.exp(c), pre, post) - changes) * 100
    solver = optimistix.LevenbergMarquardt(rtol=1e-10, atol=1e-10)
    found = optimistix.least_squares(residual, solver, jnp.zeros(4)).value
    np.testing.assert_allclose(GUESS * np.exp(found), TRUE, rtol=1e-6)


def test_a_window_is_recovered_through_noise():
    """Within 4 standard errors, from the curvature; by first-order descent."""
    pre, post = pairings(seed=1, n=60)
    noise = 0.002 * np.random.default_rng(2).standard_normal(60)
    changes = measured(TRUE, pre, post) + noise
    residual = lambda c: (measured(GUESS * jnp.exp(c), pre, post) - changes) / 0.002
    loss = lambda c: 0.5 * (residual(c) ** 2).sum()
    optimizer = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    @jax.jit
    def descend(c):
        def step(carry, _):
            c, state = carry
            value, grad = value_and_grad(c, state=state)
            change, state = optimizer.update(
                grad, state, c, value=value, grad=grad, value_fn=loss
            )
            return (optax.apply_updates(c, change), state), value

        return jax.lax.scan(step, (c, optimizer.init(c)), length=30)[0][0]

    found = descend(jnp.zeros(4))
    slopes = jax.jacfwd(residual)(found)
    errors = np.sqrt(np.diag(np.linalg.inv(slopes.T @ slopes)))
    assert np.all(np.abs(found - np.log(TRUE / GUESS)) < 4 * errors)
    assert errors.max() < 0.5


def test_constants_of_resume_are_learned_for_patterns_not_seen():
    """From constants that hardly learn, a few steps on 3 patterns, tested on 6 others."""
    meta = benchmark("meta_learning")
    found, course = meta.meta_learn(
        meta.tasks(0, 3), 12, start=meta.PAPER * 4, epochs=3, pairs=4, rate=0.4
    )
    assert course[-1] < course[0]
    others = meta.tasks(100, 6)
    before, after = (
        meta.correlations(c, *others, epochs=6).mean() for c in (meta.PAPER, found)
    )
    assert after > before + 0.2
