"""Spikes of both sides, and a rule written as a function of their times."""

import numpy as np

DT = 0.5


def trains(seed, n, n_steps=400, p=0.03):
    return (np.random.default_rng(seed).random((n_steps, n)) < p).astype(float)


def times(train):
    return np.flatnonzero(train) * DT


def each(pre, post, one):
    """`one` (spike times of a source, of a target) for each synapse."""
    value = lambda i, j: one(times(pre[:, i]), times(post[:, j]))
    return np.array(
        [[value(i, j) for j in range(post.shape[1])] for i in range(pre.shape[1])]
    )
