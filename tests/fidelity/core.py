"""Integrators, surrogate gradients and the ways a run may be cut."""

import math

import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from snnjax.core.integrators import phi1
from tests.fidelity import row


@row(
    "phi1",
    reference="power series",
    check="(exp(x) - 1) / x and its slope for |x| < 3, float32",
    bound=1e-6,
)
def exponential_quotient():
    size = 10.0 ** np.linspace(-8, 0.45, 200)
    x = np.concatenate([[0.0], size, -size]).astype(np.float32)
    wide = x.astype(float)
    value = sum(wide**k / math.factorial(k + 1) for k in range(40))
    slope = sum(k * wide ** (k - 1.0) / math.factorial(k + 1) for k in range(1, 40))
    got, tangent = jax.jit(lambda x: jax.jvp(phi1, (x,), (jnp.ones_like(x),)))(x)
    return max(np.max(np.abs(got / value - 1)), np.max(np.abs(tangent / slope - 1)))


@row(
    "RK4",
    reference="closed form",
    check="order of convergence of the leaky integrator, less 4",
    bound=0.1,
)
def order_of_rk4():
    end = lambda dt: snn.simulate(
        snn.LeakyIntegrator(10.0, integrator=snn.RK4()), 1.0, dt, duration=8.0
    ).ys[-1]
    truth = 1 - np.exp(-0.8)
    errors = [abs(float(end(dt)) - truth) for dt in (1.0, 0.5)]
    return abs(math.log2(errors[0] / errors[1]) - 4)


@row(
    "Surrogate gradients",
    reference="finite differences",
    check="weight gradient of a relaxed recurrent network with attached resets, relative",
    bound=1e-6,
)
def relaxed_network():
    threshold = snn.Threshold(-55.0, snn.Sigmoid(0.8))
    cells = snn.relax(snn.LIF(t_ref=None, detach_reset=False, threshold=threshold))
    weight = jnp.array([[20.0, -30.0], [40.0, 10.0]])
    drive = jnp.broadcast_to(jnp.array([260.0, 180.0]), (40, 2))

    def loss(w):
        layer = snn.Recurrent(cells, weight.at[1, 0].add(w))
        spikes = snn.simulate(layer, drive, 0.5).ys
        return jnp.sum(spikes * jnp.arange(40)[:, None]) / 40

    h = 1e-2
    up, down = jax.jit(jax.vmap(loss))(jnp.array([h, -h]))
    gradient = jax.jit(jax.grad(loss))(0.0)
    return abs(gradient / ((up - down) / (2 * h)) - 1)


@row(
    "simulate",
    reference="an unbroken run",
    check="noisy neurons in chunks, and resumed: values that differ in any bit",
    bound=0,
)
def cut_runs():
    cells = snn.EscapeLIF()
    noise = snn.inputs.white_noise(220.0, 100.0, shape=(3,), key=jax.random.key(1))
    record = dict(v=snn.Trace("v"), n=snn.SpikeCount(every=50), mean=snn.Mean("v"))
    run = lambda n, **kwargs: snn.simulate(
        cells, noise, 0.1, n_steps=n, record=record, key=jax.random.key(0), **kwargs
    )
    whole, chunked, first = run(200), run(200, chunk=100), run(100)
    second = run(100, state=first.state)
    resumed = {k: np.concatenate([first.ys[k], second.ys[k]]) for k in ("v", "n")}
    resumed["mean"] = second.ys["mean"]
    return sum(
        np.sum(np.asarray(other[k]) != np.asarray(whole.ys[k]))
        for other in (chunked.ys, resumed)
        for k in record
    )
