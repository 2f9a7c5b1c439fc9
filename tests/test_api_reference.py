"""The API reference is built from the docstrings, and has all that is public."""

import html
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import snnjax

_path = Path(__file__).parents[1] / "docs" / "make_api.py"
_spec = importlib.util.spec_from_file_location("make_api", _path)
make_api = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_api)

OWN = make_api.own_names()
ROOMS = {name: list(room.__all__) for name, room in make_api.rooms().items()}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Each page as text, by the name of its module."""
    folder = tmp_path_factory.mktemp("api")
    make_api.build(folder)
    found = {
        ".".join(f.relative_to(folder).with_suffix("").parts): f.read_text(encoding="utf-8")
        for f in folder.rglob("*.html")
    }
    assert not hasattr(snnjax, "__all__")
    return found


def described():
    """(page, name, object) of all that is public."""
    for name in OWN:
        yield "snnjax", name, getattr(snnjax, name)
    for room, names in ROOMS.items():
        module = importlib.import_module(f"snnjax.{room}")
        for name in names:
            yield f"snnjax.{room}", name, getattr(module, name)


def test_there_is_a_page_for_each_room_and_no_other(pages):
    modules = {f"{p}.{n}" for p, n, x in described() if inspect.ismodule(x)}
    expected = {"snnjax", *(f"snnjax.{room}" for room in ROOMS)} | modules
    assert {name for name in pages if name.startswith("snnjax")} == expected
    assert {"connect", "inputs", "layers", "networks", "neurons", "synapses"} <= set(ROOMS)
    assert {"simulate", "SpikeRaster", "Threshold", "RK4", "trainable", "solve"} <= set(OWN)


def test_every_public_name_has_its_place(pages):
    for page, name, x in described():
        if not inspect.ismodule(x):
            assert f'id="{name}"' in pages[page], f"{page}.{name}"
    for room in ROOMS:
        assert f'href="snnjax/{room}.html"' in pages["snnjax"]


def test_every_public_name_has_a_docstring():
    silent = []
    for page, name, x in described():
        if not (inspect.isclass(x) or inspect.isfunction(x)):
            continue  # a constant, such as plot.COLOURS
        doc = x.__doc__ or ""
        is_state = issubclass(x, tuple) if inspect.isclass(x) else False  # its fields tell
        if not is_state and (len(doc) < 15 or doc.startswith(f"{name}(")):
            silent.append(f"{page}.{name}")
    assert not silent


def test_formulas_reach_the_page_unharmed(pages):
    formulas = 0
    for page, name, x in described():
        text = html.unescape(pages[page])
        for formula in re.findall(r"\$\$?.+?\$\$?", inspect.getdoc(x) or "", re.DOTALL):
            assert " ".join(formula.split()) in text, f"{page}.{name}: {formula}"
            formulas += 1
    assert formulas > 250
    assert "mathjax" in pages["snnjax"].lower()
