"""A sweep over several devices, and in several processes, is that of one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

ROOT = Path(__file__).parents[1]
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "XLA_FLAGS"))}
ENV |= {"PYTHONPATH": str(ROOT), "JAX_ENABLE_X64": "1"}
BATCH = 16


def noisy_rate(tau_m, current, key, steps=200):
    """NaN at the smallest current, refused at the largest time constant."""
    current = jnp.where(current > 0, current, jnp.nan)
    current = eqx.error_if(current, tau_m > 29, "tau_m is too large")
    noise = snn.inputs.white_noise(current, 300.0, key=key)
    sol = snn.simulate(
        snn.LIF(tau_m=tau_m),
        noise,
        0.1,
        n_steps=steps,
        record=snn.SpikeCount(),
        throw=False,
    )
    return dict(count=sol.ys, v=sol.final.v)


def run(**more):
    over = dict(tau_m=np.linspace(5.0, 30.0, 6), current=np.linspace(0.0, 600.0, 9))
    arguments = dict(key=jax.random.key(0), batch=BATCH) | more
    return snn.sweep(noisy_rate, over, **arguments)


def same(a, b):
    np.testing.assert_array_equal(a["count"].values, b["count"].values)
    np.testing.assert_allclose(a["v"].values, b["v"].values, rtol=1e-12)
    assert [(f.number, f.reason) for f in a.failed] == [
        (f.number, f.reason) for f in b.failed
    ]


@pytest.fixture(scope="module")
def alone():
    found = run()
    assert np.nansum(found["count"].values) > 20 and len(found.failed) == 14
    assert {f.reason for f in found.failed} == {"v is not finite", "tau_m is too large"}
    return found


EIGHT = """
import sys
import snnjax as snn
snn.use_cores(8)
from tests import test_sweep_devices as t
found = t.run()
assert "8 x cpu" in found.made, found.made
snn.sweeps.save(sys.argv[1], found)
two = t.run(devices=2)
assert "2 x cpu" in two.made
t.same(two, found)
"""


def test_eight_devices(alone, tmp_path):
    path = tmp_path / "eight.npz"
    subprocess.run([sys.executable, "-c", EIGHT, path], env=ENV, check=True, timeout=300)
    same(snn.sweeps.load(path), alone)


TWO = """
import sys
import jax
import snnjax as snn
rank, port, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
snn.use_cores(2)
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank)
from tests import test_sweep_devices as t
from snnjax.sweeps.program import Compiled
ran, call = [], Compiled.__call__
def counted(self, numbers):
    ran.extend(numbers.tolist())
    return call(self, numbers)
Compiled.__call__ = counted
first = t.run(store=folder + "/store")
assert 0 < len(set(ran)) < 54, ran
snn.sweeps.save(f"{folder}/{rank}.npz", first)
ran.clear()
again = t.run(store=folder + "/store")
assert not ran
t.same(again, first)
t.same(t.run(devices=1 + rank, batch=15), first)  # batches of 15 and 16, if each had its way
try:
    t.run(on_error="raise")  # raised in both, whoever ran the point
except snn.sweeps.SweepError as error:
    assert error.failure.number == first.failed[0].number
else:
    raise AssertionError
"""


def test_two_processes_take_a_share_each(alone, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    both = [
        subprocess.Popen([sys.executable, "-c", TWO, str(k), port, str(tmp_path)], env=ENV)
        for k in range(2)
    ]
    try:
        for process in both:
            assert process.wait(timeout=300) == 0
    finally:
        for process in both:
            process.kill()
    for k in range(2):
        same(snn.sweeps.load(tmp_path / f"{k}.npz"), alone)


def test_a_store_of_some_batches_is_gone_on_with(alone, tmp_path):
    """Batches belong to points, whoever runs them."""
    folder = tmp_path / "store"
    run(store=folder)
    for k in (1, 2):
        (folder / f"batch-{k:06d}.npz").unlink()
    same(run(store=folder), alone)
