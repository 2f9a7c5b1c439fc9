"""The API reference, from the docstrings: `python docs/make_api.py [folder]`, or `make docs`.

One page a room, by pdoc, whose formulas MathJax draws in the browser. What is `snnjax.X` and
belongs to no room stands on the first page.
"""

import html
import importlib
import inspect
import pkgutil
import re
import sys
import types
from operator import attrgetter
from pathlib import Path

import pdoc
from pdoc.render_helpers import to_html

import snnjax

NO_API = {"cli"}  # a command, which tells of itself by `snnjax --help`
LAZY = {"solve"}  # loaded when it is first used


def rooms() -> dict[str, types.ModuleType]:
    """The packages that say by `__all__` what is public."""
    names = [m.name for m in pkgutil.iter_modules(snnjax.__path__) if m.ispkg]
    found = {n: importlib.import_module(f"snnjax.{n}") for n in names if n not in NO_API}
    return {name: room for name, room in found.items() if hasattr(room, "__all__")}


def own_names() -> list[str]:
    """Public names of `snnjax` that are on no room's page."""
    elsewhere = {name for room in rooms().values() for name in room.__all__}
    public = {name for name in vars(snnjax) if not name.startswith("_")}
    public |= LAZY
    values = {name: getattr(snnjax, name) for name in public - elsewhere}
    return sorted(n for n, x in values.items() if not isinstance(x, types.ModuleType))


def guarded(text: str) -> str:
    """`text` with its formulas written so that Markdown leaves them as they are."""

    def escaped(formula: re.Match) -> str:
        body = " ".join(html.escape(formula[2], quote=False).split())
        return formula[1] + re.sub(r"([\\*])", r"\\\1", body) + formula[1]

    return re.sub(r"(\$\$?)(.+?)\1", escaped, text, flags=re.DOTALL)


def build(folder: Path) -> None:
    """Write the reference to `folder`."""
    for name in LAZY:
        setattr(snnjax, name, getattr(snnjax, name))
    snnjax.__all__ = [*rooms(), *own_names()]
    try:
        # A function may be named as the module it is in, which has no page of its own.
        inner = [
            name
            for name in pdoc.extract.walk_specs([f"snnjax.{room}" for room in rooms()])
            if inspect.isfunction(attrgetter(name.removeprefix("snnjax."))(snnjax))
        ]
        pdoc.render.configure(docformat="markdown", math=True)
        pdoc.render.env.filters["to_html"] = lambda text: to_html(guarded(text))
        pdoc.pdoc("snnjax", *(f"!{name}$" for name in inner), output_directory=folder)
    finally:
        del snnjax.__all__


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/api")
    build(folder)
    print(f"{folder / 'index.html'}: {sum(1 for _ in folder.rglob('*.html'))} pages")
