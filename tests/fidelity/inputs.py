"""Currents and spike sources. Statistics come from a fixed key; bounds are 4 standard errors."""

import jax
import jax.numpy as jnp
import numpy as np

import snnjax as snn
from snnjax import inputs
from tests.fidelity import row

KEY = jax.random.key(20)


@row(
    "inputs.step",
    reference="integer arithmetic",
    check="float32 starts at 0.1, 0.2, ... 10,000 ms that miss their step of 0.1 ms",
    bound=0,
)
def starts_missed():
    k, dt, one = jnp.arange(1, 100_001), jnp.float32(0.1), jnp.float32(1)
    starts = (np.arange(1, 100_001) * 0.1).astype(np.float32)
    value = jax.jit(jax.vmap(lambda i, s: inputs.step(one, s, baseline=0 * one)(i, dt)))
    return np.sum(value(k - 1, starts) != 0) + np.sum(value(k, starts) != 1)


@row(
    "inputs.white_noise",
    reference="sigma / (g_l sqrt(2 tau_m))",
    check="spread of the membrane of 20,000 LIF at dt = 0.2 ms, relative",
    bound=0.02,
)
def spread_of_the_membrane():
    noise = inputs.white_noise(50.0, 60.0, shape=(20_000,), key=KEY)
    v = snn.simulate(snn.LIF(), noise, 0.2, duration=50.0).final.v
    return abs(np.std(v) / (60 / (10 * np.sqrt(2 * 10))) - 1)


@row(
    "inputs.OrnsteinUhlenbeck",
    reference="exp(-s / tau)",
    check="correlation of 40,000 paths over one step of 3 ms, tau = 5 ms",
    bound=0.014,
)
def forgetting():
    ou = inputs.OrnsteinUhlenbeck(200.0, 30.0, 5.0)
    x = ou.array(3.0, 2, shape=(40_000,), key=KEY)
    return abs(np.corrcoef(x[0], x[1])[0, 1] - np.exp(-3 / 5))


@row(
    "inputs.poisson",
    reference="1 - exp(-r dt)",
    check="probability of a spike at 100 Hz in 1 ms (.0952; Bernoulli .1)",
    bound=1e-3,
)
def at_least_one():
    spikes = inputs.poisson(100.0, shape=(20_000,), key=KEY).array(1.0, 100)
    return abs(np.mean(spikes) - (1 - np.exp(-0.1)))


@row(
    "inputs.refractory_poisson_train",
    reference="1 / (1 + rate d)",
    check="CV of intervals at 100 Hz with a dead time of 5 ms",
    bound=0.02,
)
def refractory_cv():
    times = inputs.refractory_poisson_train(
        100.0, 5.0, 1000.0, shape=(1000,), key=KEY
    ).times
    isi = np.diff(times[:20], axis=0)
    return abs(isi.std() / isi.mean() - 1 / 1.5)


@row(
    "inputs.gamma_train",
    reference="1 / sqrt(order)",
    check="CV of intervals of order 4",
    bound=0.02,
)
def gamma_cv():
    times = inputs.gamma_train(50.0, 4.0, 1000.0, shape=(1000,), key=KEY).times
    isi = np.diff(times[:20], axis=0)
    return abs(isi.std() / isi.mean() - 1 / 2)


@row(
    "inputs.compound_poisson",
    reference="E k^2 / E k",
    check="Fano factor of counts, 1 to 3 spikes an event",
    bound=0.06,
)
def compound_fano():
    p, k = np.array([0, 0.5, 0.3, 0.2]), np.arange(4)
    source = inputs.compound_poisson(50.0, p, shape=(5000,), key=KEY)
    counts = source.array(1.0, 100).reshape(4, 25, 5000).sum(1)
    return abs(np.var(counts) / np.mean(counts) - p @ k**2 / (p @ k))
