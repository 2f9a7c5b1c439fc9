"""Each notebook runs from top to bottom, asks one question first, and shows a figure last."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra `notebooks` is not installed")
nbclient = pytest.importorskip("nbclient", reason="the extra `notebooks` is not installed")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# Every cell runs, and of these with less work: fewer epochs, fewer values, shorter runs.
# As they are written they are slow tests.
SHORTER = {
    "8_train_a_network": {
        "epochs=15": "epochs=2",
        "epochs=7": "epochs=1",
        "range(7)": "range(1)",
        "(50, 1, 1)": "(5, 1, 1)",
        ", dict(max_memory=30e6)": ",",
        "4310": "1310",
        ":4000]": ":1000]",
        "10:4010]": "10:1010]",
        "series[4000:4300]": "series[1000:1300]",
        "series[4010:": "series[1010:",
    },
    "9_surrogate_gradients": {
        "in (True, False):": "in (True,):",
        '((1, "-"), (3, "--"))': '((1, "-"),)',
        "361": "61",
        "[180]": "[30]",
        "arange(-1, 8)": "arange(0, 2)",
        "(64,), 0, 3": "(8,), 0, 3",
        "(40, 64, 20)": "(40, 8, 20)",
        "range(8)": "range(4)",
    },
    "10_balanced_network": {
        "duration=1000.0": "duration=300.0",
        "stop=1000.0": "stop=300.0",
        "[3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0]": "[4.0, 5.0]",
    },
    "11_delays": {
        "range(100)": "range(10)",
        "[1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]": "[1.0, 2.0, 3.0]",
    },
    "12_rule_arena": {"= 10, 120, 1.0": "= 2, 20, 1.0"},
    "13_what_synapses_learn": {
        "50_000.0": "10_000.0",
        "50_000": "10_000",
        "200_000": "20_000",
    },
}


def execute(notebook, folder, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a kernel shows figures inline
    client = nbclient.NotebookClient(
        notebook, timeout=180, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    last = [c for c in notebook.cells if c.cell_type == "code"][-1]
    assert any("image/png" in o.get("data", {}) for o in last.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    notebook = nbformat.read(path, as_version=4)
    question = notebook.cells[0].source.splitlines()[0]
    assert question.startswith("# ")
    assert question.endswith("?")
    code = [c for c in notebook.cells if c.cell_type == "code"]
    for long, short in SHORTER.get(path.stem, {}).items():
        assert any(long in c.source for c in code), f"{path.name} no longer says {long}"
        for cell in code:
            cell.source = cell.source.replace(long, short)
    execute(notebook, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.stem in SHORTER], ids=lambda p: p.stem
)
def test_notebook_runs_as_written(path, tmp_path, monkeypatch):
    execute(nbformat.read(path, as_version=4), tmp_path, monkeypatch)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 5
