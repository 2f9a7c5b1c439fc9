"""`import snnjax` is quick, touches no device, and what it names exists and is explained."""

import importlib.metadata
import inspect
import subprocess
import sys

import pytest

import snnjax

PUBLIC = getattr(snnjax, "__all__", [n for n in dir(snnjax) if not n.startswith("_")])
LATE = ["snnjax.plot", "snnjax.cli", "matplotlib", "diffrax", "scipy.stats", "sklearn"]


def python(*arguments):
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run


def own_seconds():
    """The time that the files of snnjax take themselves, without what they import."""
    report = python("-X", "importtime", "-c", "import snnjax").stderr
    rows = [line.removeprefix("import time:").split("|") for line in report.splitlines()]
    own = [
        row for row in rows if len(row) == 3 and row[2].split(".")[0].strip() == "snnjax"
    ]
    assert any(row[2].strip() == "snnjax.core" for row in own)
    return sum(int(row[0]) for row in own) / 1e6


def test_import_touches_no_device():
    # jax refuses this setting once a device was touched.
    code = "import jax, snnjax; jax.config.update('jax_num_cpu_devices', 2)"
    python("-c", code)
    with pytest.raises(AssertionError, match="before backends are initialized"):
        python("-c", code.replace("; ", "; jax.devices(); "))


def test_import_leaves_heavy_packages_for_later():
    code = f"import sys, snnjax; print([m for m in {LATE} if m in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"


def test_import_is_quick():
    # The best of three: the first may compile, and another process may hold the core.
    seconds = []
    while not seconds or (min(seconds) >= 0.5 and len(seconds) < 3):
        seconds.append(own_seconds())
    assert min(seconds) < 0.5


def test_version_is_that_of_the_installed_package():
    assert snnjax.__version__ == importlib.metadata.version("snnjax")


def test_names_are_listed_once():
    assert len(set(PUBLIC)) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(set(PUBLIC)))
def test_public_name_exists_and_is_explained(name):
    thing = getattr(snnjax, name)
    if inspect.ismodule(thing) or inspect.isclass(thing) or callable(thing):
        if name.endswith("State") and hasattr(thing, "_fields"):
            return  # a named tuple, whose fields are explained one by one
        doc = thing.__doc__
        assert doc
        assert doc.strip()
        # A dataclass that says nothing is given its signature as a docstring.
        assert not doc.startswith(f"{getattr(thing, '__name__', name)}(")
