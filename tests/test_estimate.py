"""`estimate`: bytes against what a run holds, time against what it takes."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.core.parameters import parameter
from tests.toys import Held, NoisyNeuron, PassThrough


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("snnjax.core.estimate.MEASURED", 0.05)
    monkeypatch.setattr("snnjax.core.estimate.ONE_CALL", 0.005)


def nbytes(tree):
    return sum(np.asarray(x).nbytes for x in jax.tree.leaves(tree))


def test_bytes_are_those_of_the_run():
    model, current = snn.LIF(tau_m=np.linspace(5, 10, 30)), np.full((200, 30), 300.0)
    record = dict(v=snn.Trace("v", every=4), n=snn.SpikeCount(), r=snn.SpikeRaster(500))
    got = snn.estimate(model, current, 0.1, record=record)
    sol = snn.simulate(model, current, 0.1, record=record)
    assert got.results == nbytes(sol.ys)
    assert got.state == nbytes((sol.state.model, sol.state.bins[1]))
    assert got.parameters == nbytes(model) and got.inputs == current.nbytes
    assert (got.n_steps, got.duration) == (200, pytest.approx(20.0))
    assert got.made == sol.made and got.summary == ""


class Heavy(snn.AbstractDynamics[Held]):
    """Takes as long as its product of matrices does."""

    matrix: Any = parameter(per_neuron=False)

    def init(self, shape=(), *, key=None, dt=None):
        return Held(jnp.eye(len(self.matrix)))

    def step(self, state, input, dt):
        return Held(self.matrix @ state.v), input

    def summary(self):
        return f"One matrix of {self.matrix.size} numbers."


def test_time_is_that_of_steps():
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(200, 200)))[0])
    run = dict(inputs=0.0, dt=0.1, n_steps=400, record=snn.SpikeCount())
    got = snn.estimate(Heavy(turn), **run)
    snn.simulate(Heavy(turn), **run)
    began = time.perf_counter()
    jax.block_until_ready(snn.simulate(Heavy(turn), **run).final)
    took = time.perf_counter() - began
    assert took / 6 < got.run_seconds < took * 6  # other programs may take their turn
    assert got.run_seconds == pytest.approx(400 * got.step_seconds)
    assert got.compile_seconds > 0 and got.measured_steps >= 3
    assert got.temporary is None or got.temporary >= turn.nbytes


def test_it_reads_as_a_table():
    got = snn.estimate(Heavy(jnp.eye(3)), 0.0, 0.5, n_steps=20)
    text = str(got._replace(parameters=1_500_000, temporary=None, run_seconds=7200.0))
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].startswith("Heavy, snnjax") and lines[2] == "20 steps, 10 ms"
    assert lines[1] == "One matrix of 9 numbers."
    assert "parameters   1.5 MB" in lines and "temporary    unknown" in lines
    assert "results      160 B" in lines
    assert any(line.startswith("run          2 h, ") for line in lines)
    assert "steps from the state given" in lines[-1]


def test_it_takes_what_simulate_takes(key):
    state = snn.simulate(NoisyNeuron(), 25.0, 0.1, n_steps=4, shape=(3,), key=key).state
    got = snn.estimate(NoisyNeuron(), 25.0, 0.1, duration=1.0, shape=(3,), state=state)
    assert (got.n_steps, got.results) == (10, 10 * 3 * 8)
    skipped = snn.estimate(PassThrough(), np.ones((20, 2)), 0.1, skip=0.5)
    assert (skipped.n_steps, skipped.results) == (20, 15 * 2 * 8)
    assert state.step == 4  # what was given is as it was
    with pytest.raises(ValueError, match="needs n_steps= or duration="):
        snn.estimate(snn.LIF(), 300.0, 0.1)
    with pytest.raises(ValueError, match=r"no 'w' to record"):
        snn.estimate(snn.LIF(), 300.0, 0.1, n_steps=3, record=snn.Trace("w"))
    with pytest.raises(ValueError, match="cannot be done under jit or vmap"):
        jax.jit(lambda x: snn.estimate(PassThrough(), x, 0.1, n_steps=3).n_steps)(1.0)
