"""A network on many devices gives what it gives on one: `sharded.py`, seen from here."""

import ast
import os
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.connect import bits
from snnjax.networks.shard_lineup import Lineup, block

ROOT = Path(__file__).parents[1]
INSIDE = ROOT / "tests" / "sharded.py"
TESTS = [
    node
    for node in ast.parse(INSIDE.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]
decorators = lambda test: [ast.unparse(d) for d in test.decorator_list]
SLOW = [t.name for t in TESTS if "mark.slow" in " ".join(decorators(t))]  # of some cases
ALWAYS = [t.name for t in TESTS if "pytest.mark.slow" not in decorators(t)]
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "XLA_FLAGS"))}
ENV["PYTHONPATH"] = str(ROOT)


def on_eight_devices(marked, folder):
    """By test, what was wrong with each of its cases where jax sees eight devices."""
    report = folder / "report.xml"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", marked, str(INSIDE), f"--junitxml={report}"],
        cwd=ROOT, env={**ENV, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert report.exists(), run.stdout + run.stderr
    cases = {}
    for case in ET.parse(report).iter("testcase"):
        wrong = [x.text for x in case if x.tag in ("failure", "error", "skipped")]
        cases.setdefault(case.get("name", "").split("[")[0], []).append(wrong)
    return cases


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return on_eight_devices("not slow", tmp_path_factory.mktemp("sharded"))


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return on_eight_devices("slow", tmp_path_factory.mktemp("sharded"))


def all_well(found, name):
    assert found[name]
    for wrong in found[name]:
        assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", ALWAYS)
def test_on_eight_devices(quick, name):
    all_well(quick, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_more_on_eight_devices(slow, name):
    all_well(slow, name)


@pytest.mark.parametrize("size", [1, 75, 320, 1001])
@pytest.mark.parametrize("n_devices", [1, 2, 3, 8])
def test_words_of_blocks_are_words_of_the_lineup(size, n_devices):
    lineup = Lineup(size, n_devices)
    active = np.random.default_rng(0).random(size) < 0.3
    per_device = block(size, n_devices)
    blocks = np.pad(active, (0, per_device * n_devices - size)).reshape(n_devices, -1)
    words = jnp.concatenate([bits.pack(x) for x in blocks])
    line = bits.unpack(words, lineup.n)
    np.testing.assert_array_equal(line[lineup.places()], active)
    np.testing.assert_array_equal(lineup.in_order(line), active)
    assert line.sum() == active.sum()
    np.testing.assert_array_equal(bits.pack(line), words)


PROCESS = """
import sys
import jax, numpy as np
import snnjax as snn
rank, port, n_local, delay = *map(int, sys.argv[1:4]), sys.argv[4]
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_collectives_implementation", "gloo")
snn.use_cores(n_local)
jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=rank)
assert jax.device_count() == 2 * n_local and jax.local_device_count() == n_local
from tests.sharded_networks import cuba, run, same
net = cuba(delay=None if delay == "none" else delay)
first = run(net.shard(2 * n_local), 700.0, n_steps=120, chunk=60)
alone = run(net, 700.0, n_steps=120)
assert alone.ys.sum() > 10
same(first.ys, alone.ys)
same(first.state, alone.state, 1e-12)
print("the same")
"""


def two_processes(n_local, delay):
    """Both processes run it, and each compares with one device of its own."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, *map(str, (rank, port, n_local, delay))],
            cwd=ROOT, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        for process in both:
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
            assert out.endswith("the same\n")
    finally:
        for process in both:
            process.kill()


def test_two_processes_give_the_spikes_of_one_device():
    two_processes(1, "none")


@pytest.mark.slow
@pytest.mark.parametrize("n_local", [2, 4])
def test_two_processes_with_many_devices_and_delays(n_local):
    two_processes(n_local, "each")
