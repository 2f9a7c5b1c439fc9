"""The memory of a run is that of its recorders, however long it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="only Linux tells a process's own peak: getrusage begins with that of its parent",
)

PEAK = """
def peak_gb():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20
"""


def told(script):
    """What `script` prints last, in a process of its own; float32, as by default."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + script],
        env={**os.environ, "JAX_ENABLE_X64": "0"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


SCRIPT = """
import json, time

import jax.numpy as jnp
import numpy as np

import snnjax as snn

n, steps, dt = 10_000, 1_000_000, 0.1
current = np.linspace(150.0, 400.0, n)
start = time.perf_counter()
sol = snn.simulate(
    snn.LIF(), lambda i, dt: jnp.asarray(current, jnp.float32), dt, n_steps=steps,
    record=dict(total=snn.SpikeCount(), bins=snn.SpikeCount(every=100_000)),
)
total = np.asarray(sol.ys["total"])
seconds = time.perf_counter() - start
print(json.dumps(dict(
    seconds=seconds, gb=peak_gb(), dtype=str(total.dtype), total=total.tolist(),
    bins=np.asarray(sol.ys["bins"]).sum(0).tolist(), current=current.tolist(),
)))
"""


@pytest.mark.slow
def test_a_million_steps_of_ten_thousand_neurons_fit_into_a_gigabyte():
    run = told(SCRIPT)
    print(f"{run['seconds']:.0f} s, {run['gb']:.2f} GB")  # noqa: T201
    assert run["gb"] < 1
    assert run["dtype"] == "float32"
    total, current = np.array(run["total"]), np.array(run["current"])
    np.testing.assert_array_equal(total, run["bins"])
    assert np.all(total[current < 199.9] == 0)
    drive = current[current > 210] / 10  # mV above e_l
    climb = 10 * np.log(drive / (drive - 20))  # ms from reset to threshold
    # A spike ends the first step past threshold, and waits 20 steps.
    period = 2.0 + 0.1 * np.ceil(climb / 0.1)
    np.testing.assert_allclose(total[current > 210], 1e5 / period, rtol=0.02)


SWEEP = """
import json

import jax.numpy as jnp
import numpy as np

import snnjax as snn

rate = lambda current: snn.firing_rate(snn.LIF(), current, dt=0.1, duration=100.0)
current = jnp.linspace(0.0, 1000.0, 1_000_000)
found = snn.sweep(rate, dict(current=current))["value"].values
print(json.dumps(dict(gb=peak_gb(), rates=found[::1000].tolist(), n=found.size)))
"""


def test_a_sweep_of_a_million_points_fits_into_two_gigabytes():
    run = told(SWEEP)
    assert run["gb"] < 2 and run["n"] == 1_000_000  # 0.4 GB
    rates, current = np.array(run["rates"]), np.linspace(0, 1000, 1_000_000)[::1000]
    drive = current[current > 210] / 10
    period = 2.0 + 0.1 * np.ceil(10 * np.log(drive / (drive - 20)) / 0.1)  # ms
    np.testing.assert_allclose(rates[current > 210], 1e3 / period, atol=10.1)  # +- a spike
    assert not rates[current < 199].any()
