"""The rooms of the package, from left to right: an import points only to the left."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "snnjax"

ORDER = [
    ["core"],
    ["measures"],
    ["synapses"],
    ["neurons"],
    ["inputs"],
    ["connect"],
    ["layers"],
    ["plasticity"],
    ["networks"],
    ["training"],
    ["morphology", "convert", "analysis"],
    ["sweeps", "datasets", "plot"],
    ["cli"],
]
PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}

# Imported where they are used, since each costs a good part of a second or is optional.
HEAVY = {
    *("diffrax", "optimistix", "lineax", "scipy", "sklearn", "matplotlib", "xarray"),
    *("pandas", "flatbuffers", "nir", "neo", "elephant", "nbclient", "nbformat", "IPython"),
    "h5py",
}

FILES = {p.relative_to(PACKAGE.parent).as_posix(): p for p in PACKAGE.rglob("*.py")}


def room_of(module):
    """`snnjax.core.base` -> `core`; `snnjax` and its own two files -> `snnjax`."""
    parts = module.split(".")
    inside = parts[0] == "snnjax" and len(parts) > 1 and parts[1] != "__main__"
    return parts[1] if inside else parts[0]


def imports(source, file):
    """Each import as (module, whether it runs when the file is imported, line)."""
    package = file.removesuffix(".py").split("/")[:-1]
    found = []

    def visit(node, eager):
        if isinstance(node, ast.Import):
            found.extend((alias.name, eager, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from snnjax import plot` asks for a room, `... import LIF` for the root.
            for alias in node.names:
                is_room = module == "snnjax" and alias.name in PLACE
                name = f"{module}.{alias.name}" if is_room else module
                found.append((name, eager, node.lineno))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, False)
            for child in node.orelse:
                visit(child, eager)
        else:
            late = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                visit(child, eager and not late)

    visit(ast.parse(source), True)
    return found


def faults(source, file):
    """What `file` imports against the order, as lines to print."""
    room = room_of(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    root = room == "snnjax"
    if not root and room not in PLACE:
        return [f"{file}: `{room}` is not a room"]
    found = []
    for module, eager, line in imports(source, file):
        target = room_of(module)
        wrong = None
        if target == "matplotlib" and room != "plot":
            wrong = "only `plot` imports matplotlib"
        elif target in HEAVY and eager and room != "plot":
            wrong = f"import {target} inside the function that uses it"
        elif root:
            if target == "plot" and eager:
                wrong = "`plot` is imported when it is asked for"
        elif module.split(".")[0] != "snnjax" or target == room:
            continue
        elif target == "snnjax":
            if room != "cli":
                wrong = "import from the room that defines it, not from snnjax"
        elif target not in PLACE:
            wrong = f"`{target}` is not a room"
        elif PLACE[target] >= PLACE[room]:
            wrong = f"`{target}` is not to the left of `{room}`"
        if wrong:
            found.append(f"{file}:{line}: import of {module}: {wrong}")
    return found


@pytest.mark.parametrize("file", sorted(FILES))
def test_imports_point_to_the_left(file):
    found = faults(FILES[file].read_text(encoding="utf-8"), file)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("snnjax/core/base.py", "from snnjax.neurons.lif import LIF"),
        ("snnjax/core/base.py", "from ..neurons import LIF"),
        ("snnjax/core/__init__.py", "from ..neurons import LIF"),
        ("snnjax/core/base.py", "from snnjax import neurons"),
        ("snnjax/core/base.py", "from snnjax import LIF"),
        ("snnjax/core/base.py", "def f():\n    import snnjax.plot"),
        ("snnjax/core/base.py", "import snnjax.misc"),
        ("snnjax/misc.py", ""),
        ("snnjax/plasticity/stdp.py", "from snnjax.training import fit"),
        ("snnjax/plasticity/stdp.py", "from snnjax.networks import Network"),
        ("snnjax/sweeps/__init__.py", "import snnjax.plot"),
        ("snnjax/measures/rates.py", "import scipy.stats"),
        ("snnjax/measures/rates.py", "try:\n    from sklearn import svm\nfinally:\n    1"),
        ("snnjax/measures/rates.py", "class A:\n    import diffrax"),
        ("snnjax/analysis/rates.py", "def f():\n    from matplotlib import pyplot"),
        ("snnjax/cli/__init__.py", "def f():\n    import matplotlib"),
        ("snnjax/__init__.py", "from snnjax import plot"),
        ("snnjax/__init__.py", "from snnjax.plot import raster"),
        ("snnjax/__init__.py", "import diffrax"),
    ],
)
def test_a_fault_is_found(file, source):
    assert len(faults(source, file)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("snnjax/neurons/lif.py", "from snnjax.core.base import AbstractDynamics"),
        ("snnjax/neurons/lif.py", "from . import hodgkin_huxley\nfrom .adex import AdEx"),
        ("snnjax/neurons/lif.py", "import jax, numpy, equinox as eqx"),
        ("snnjax/core/solve.py", "def f():\n    import diffrax"),
        ("snnjax/core/solve.py", "if TYPE_CHECKING:\n    import diffrax"),
        ("snnjax/plot/traces.py", "import matplotlib.pyplot as plt"),
        ("snnjax/cli/__init__.py", "import snnjax as snn\nfrom snnjax import plot"),
        ("snnjax/__init__.py", "from snnjax.neurons import LIF\nfrom snnjax import inputs"),
        ("snnjax/__init__.py", "def __getattr__(name):\n    import snnjax.plot"),
        ("snnjax/__main__.py", "from snnjax.cli import main"),
    ],
)
def test_what_is_allowed_is_not_a_fault(file, source):
    assert not faults(source, file)
