"""A network on many devices gives what it gives on one: `sharded.py`, seen from here."""

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSIDE = ROOT / "tests" / "sharded.py"
NAMES = [
    node.name
    for node in ast.parse(INSIDE.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By test, what came of its cases where jax sees eight devices."""
    report = tmp_path_factory.mktemp("sharded") / "report.xml"
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    env["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
    command = [sys.executable, "-m", "pytest", "-q", str(INSIDE), f"--junitxml={report}"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    cases = {}
    for case in ET.parse(report).iter("testcase"):
        wrong = [x.text for x in case if x.tag in ("failure", "error", "skipped")]
        cases.setdefault(case.get("name", "").split("[")[0], []).append(wrong)
    return cases


@pytest.mark.parametrize("name", NAMES)
def test_on_eight_devices(found, name):
    assert found[name]
    for wrong in found[name]:
        assert not wrong, "\n".join(map(str, wrong))
