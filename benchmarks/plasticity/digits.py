"""Digits learned without labels, in the manner of Diehl & Cook 2015, or by their gradient.

    python benchmarks/plasticity/digits.py [--cells 100] [--rule stdp|bptt] [--figure FILE]

Poisson spikes of 8 x 8 images reach cells whose thresholds adapt and who inhibit each other.
With "stdp" their synapses learn at constant sums and labels only tell what each cell answers
to; a batch shares the weights. With "bptt" each cell has a class, and the surrogate gradient
of the cross-entropy trains the synapses; without the inhibition, through which it explodes.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import snnjax as snn
from snnjax.connect import AllToAll, Uniform
from snnjax.plasticity import HardBounds, OffsetSTDP

DT, STEPS, TOTAL, NAME = 1.0, 200, 20.0, "image->cells"  # ms, -, mV, of weights


def network(n: int, rule: OffsetSTDP | None, key) -> snn.Network:
    cell = snn.AdaptiveLIF(
        *(100.0, 1.0, -65.0),
        threshold=-52.0,
        v_reset=-65.0,
        t_ref=5.0,
        beta=0.2,
        tau_adapt=1e7,
    )
    cells = snn.Population(cell, n, dict(exc=snn.Delta(), inh=snn.Delta()))
    others = (0.0 if rule is None else -20.0) * (1 - np.eye(n))
    learns = dict(receptor="exc", learning=rule, shared=True)
    projections = [
        snn.Projection("image", "cells", AllToAll(), Uniform(0, TOTAL / 32), **learns),
        snn.Projection("cells", "cells", AllToAll(), others, receptor="inh"),
    ]
    image = snn.Population(snn.networks.Relay(), 64)
    return snn.Network(dict(image=image, cells=cells), projections, key=key)


@eqx.filter_jit
def present(net, weight, theta, images, key):
    """(weights, thresholds, spike counts [images, cells]) after a batch of images."""
    w, start = TOTAL * weight / weight.sum(0), net.init((len(images),), dt=DT)
    thresholds = lambda s: s.populations["cells"].neuron.theta
    start = eqx.tree_at(
        thresholds, start, jnp.broadcast_to(theta, (len(images), theta.size))
    )
    if start.learned:
        start = eqx.tree_at(lambda s: s.learned[NAME].weight, start, w)
    else:
        net = eqx.tree_at(lambda n: n.synapses[NAME].weight, net, w.ravel())
    spikes = jax.random.bernoulli(key, 0.15 * images, (STEPS, *images.shape)).astype(
        w.dtype
    )
    count = snn.SpikeCount(of="cells")
    run = dict(state=snn.RunState(start), record=count, throw=False)
    sol = snn.simulate(net, {"image": spikes}, DT, **run)
    w = sol.final.learned[NAME].weight if start.learned else w
    return w, theta + (thresholds(sol.final) - theta).sum(0), sol.ys


@eqx.filter_jit
def descend(net, weight, opt_state, images, labels, key):
    def loss(weight):
        counts = present(net, weight, jnp.zeros(weight.shape[1]), images, key)[2]
        votes = counts.reshape(len(images), -1, 10).mean(1)
        return optax.softmax_cross_entropy_with_integer_labels(votes, labels).mean()

    updates, opt_state = optax.adam(0.02).update(jax.grad(loss)(weight), opt_state)
    return jnp.clip(weight + updates, 1e-3), opt_state


def main(cells=100, rule="stdp", epochs=6, batch=20, seed=0, figure=None) -> float:
    (x, y), _, test = snn.datasets.digits(seed)
    stdp = OffsetSTDP(0.05 * min(batch, 20), 0.2, bounds=HardBounds(0, TOTAL / 10))
    key, local = jax.random.key(seed), rule == "stdp"
    net = network(cells, stdp if local else None, key)
    weight, theta = net.synapses[NAME].start(), jnp.zeros(cells)
    opt_state, rng, begin = (
        optax.adam(0.02).init(weight),
        np.random.default_rng(seed),
        time.time(),
    )
    for _ in range(epochs):
        for k in rng.permutation(len(x))[: len(x) // batch * batch].reshape(-1, batch):
            key, now = jax.random.split(key)
            if local:
                weight, theta, _ = present(net, weight, theta, x[k], now)
            else:
                weight, opt_state = descend(net, weight, opt_state, x[k], y[k], now)
    if local:  # learn no more
        net = eqx.tree_at(lambda n: n.synapses[NAME].learning.eta, net, jnp.zeros(()))
    seen, found = (present(net, weight, theta, z, key)[2] for z in (x, test[0]))
    answers = np.stack([seen[y == d].mean(0) for d in range(10)])  # of each cell, by digit
    votes = jax.nn.one_hot(answers.argmax(0) if local else np.arange(cells) % 10, 10)
    right = (found @ votes / (votes.sum(0) + 1e-9)).argmax(1) == test[1]
    print(f"{cells} cells, {rule}: {right.mean():.3f} right, {time.time() - begin:.0f} s")
    if figure:
        snn.plot.receptive_fields(weight.T.reshape(-1, 8, 8)).figure.savefig(figure)
    return float(right.mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in dict(cells=100, rule="stdp", epochs=6, batch=20, seed=0).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--figure")
    main(**vars(parser.parse_args()))
