"""Reading a run that was streamed to a folder."""

import collections
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.core.checks import is_key
from snnjax.core.run import RunState
from snnjax.core.solution import Solution, run_stats
from snnjax.core.spike_recorders import Events

NOTE = "run.json"
_KEY = "key:"


class StoredArray:
    """An array in a folder, in pieces along time; slices of it are read when asked for.

    `x[1000:2000, 3]` reads these steps of this neuron, as `numpy.memmap` does; NumPy and jax
    take the whole of it as an array. `pieces()` goes through it with little memory.
    """

    def __init__(self, files: list[Path], lengths: list[int], dtype: Any):
        self.dtype = jnp.dtype(dtype)
        self.shape = (sum(lengths), *np.load(files[0], mmap_mode="r").shape[1:])
        starts = np.cumsum([0, *lengths[:-1]]).tolist()
        self._parts = [p for p in zip(starts, lengths, files, strict=True) if p[1]]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredArray({self.dtype.name}{list(self.shape)})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (row for piece in self.pieces() for row in piece)

    def pieces(self) -> Iterator[np.ndarray]:
        """The pieces along time, each as it is in the folder."""
        return (self._load(file) for _, _, file in self._parts)

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            return self._rows(range(len(self))[first])[(slice(None), *rest)]
        if isinstance(first, int | np.integer):
            at = range(len(self))[first]  # refuses what is out of range
            return self._rows(range(at, at + 1))[(0, *rest)]
        return self[:][index]

    def _rows(self, rows: range) -> np.ndarray:
        if rows.step < 0:
            return self._rows(rows[::-1])[::-1]
        found = []
        for start, length, file in self._parts:
            skipped = max(0, -(-(start - rows.start) // rows.step))
            here = range(rows.start, min(rows.stop, start + length), rows.step)[skipped:]
            if here:
                found.append(
                    self._load(file)[here.start - start : here.stop - start : here.step]
                )
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *found])

    def _load(self, file: Path) -> np.ndarray:
        return np.load(file, mmap_mode="r").view(self.dtype)


def open_run(path: str | os.PathLike, like: Any = None) -> Solution:
    """What `simulate(..., store=path)` has recorded so far, read from the disk when asked for.

    The entries of `ts` and `ys` along time are `StoredArray`s. Dictionaries, lists, tuples
    and named tuples of the request come back as they were; random keys as their data.

    - `like`: a state of the model, such as `model.init(shape)`, which gives `state` its type;
      without it `state.model` is a dictionary of arrays by name. Recorders begin anew from
      this state: to go on with them, call `simulate` again with the same store.
    """
    path = Path(path)
    chunks = chunk_folders(path)
    if not chunks or not (path / NOTE).is_file():
        raise ValueError(
            f"open_run.path={str(path)!r} is no folder that simulate(store=) has written to."
        )
    note = json.loads((path / NOTE).read_text(encoding="utf-8"))
    state = read_state(chunks[-1], note)
    step, stopped = (state.pop(name) for name in ("step", "stopped"))
    model = {n.removeprefix("model."): x for n, x in state.items() if n.startswith("model")}
    if like is not None:
        model = _as(like.model if isinstance(like, RunState) else like, model, path)
    lengths = {}

    def read(leaf: Leaf) -> Any:
        if leaf.clock is None:
            return load_array(chunks[-1] / "end" / leaf.file, leaf.dtype)
        if leaf.clock not in lengths:
            lengths[leaf.clock] = [
                len(np.load(c / leaf.clock, mmap_mode="r")) for c in chunks
            ]
        return StoredArray([c / leaf.file for c in chunks], lengths[leaf.clock], leaf.dtype)

    ts, ys = (_built(note[k], read) for k in ("ts", "ys"))
    done = int(step) - note["start"]
    dt = jnp.dtype(note["dt"][1]).type(note["dt"][0])
    stats = run_stats(
        done, dt, min(note["skip"], done), bool(stopped) if note["until"] else None
    )
    return Solution(ts, ys, RunState(model, step), stats, note["made"], note["recorded"])


def chunk_folders(path: Path) -> list[Path]:
    """The chunks in a store, in order."""
    return sorted(path.glob("chunk-" + "[0-9]" * 9))


def raw(x: Any) -> np.ndarray:
    """`x` as NumPy can write it."""
    return np.asarray(jax.random.key_data(x) if is_key(x) else x)


def load_array(file: Path, dtype: str) -> np.ndarray:
    """An array of any of jax's dtypes; NumPy's format knows only the size of some."""
    x = np.load(file)
    return x if x.dtype == jnp.dtype(dtype) else x.view(jnp.dtype(dtype))


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """(dotted name, leaf) of each leaf."""
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return [(name(path), x) for path, x in jax.tree_util.tree_leaves_with_path(tree)]


def state_note(tree: Any) -> list[tuple[str, str]]:
    """(name, dtype) of each leaf of a state; of random keys, the kind."""
    kind = lambda x: f"{_KEY}{jax.random.key_impl(x)}" if is_key(x) else raw(x).dtype.name
    return [(name, kind(x)) for name, x in named_leaves(tree)]


def read_state(chunk: Path, note: dict[str, Any]) -> dict[str, Any]:
    """The arrays of the state at the end of `chunk`, by name, in order."""

    def typed(x, kind):
        if kind.startswith(_KEY):
            return jax.random.wrap_key_data(x, impl=kind.removeprefix(_KEY))
        return jnp.asarray(x if x.dtype == jnp.dtype(kind) else x.view(jnp.dtype(kind)))

    with np.load(chunk / "end" / "state.npz") as arrays:
        found = [arrays[f"arr_{k}"] for k in range(len(note["state"]))]
    return {n: typed(x, kind) for (n, kind), x in zip(note["state"], found, strict=True)}


def _as(like: Any, model: dict[str, Any], path: Path) -> Any:
    names = [n for n, _ in named_leaves(like)]
    if names != list(model):
        raise ValueError(
            f"open_run.like has {', '.join(names) or 'no fields'}, but the state in {path} has "
            f"{', '.join(model) or 'none'}. Give a state of the model that was run."
        )
    return jax.tree.unflatten(jax.tree.structure(like), model.values())


class Leaf(NamedTuple):
    """Where an array is: its file in each chunk, its dtype, and the file of its times.

    Without times it is of the whole run, at the end of the last chunk.
    """

    file: str
    dtype: str
    clock: str | None


def outline(tree: Any) -> list[Any]:
    """A tree of `Leaf`s in JSON's types."""
    inside = lambda pairs: [[key, outline(x)] for key, x in pairs]
    if isinstance(tree, Leaf):
        return ["leaf", *tree]
    if isinstance(tree, dict):
        return ["dict", inside(tree.items())]
    if hasattr(tree, "_fields"):
        return ["named", inside(tree._asdict().items()), type(tree).__name__]
    if dataclasses.is_dataclass(tree):
        pairs = ((f.name, getattr(tree, f.name)) for f in dataclasses.fields(tree))
        return ["named", inside(pairs), type(tree).__name__]
    if isinstance(tree, list | tuple):
        return [type(tree).__name__, inside(enumerate(tree))]
    return ["none", []]


def _built(form: list[Any], read: Callable[[Leaf], Any]) -> Any:
    """The tree that an `outline` is of, with `read(leaf)` for each leaf."""
    kind, content, *name = form
    if kind == "leaf":
        return read(Leaf(content, *name))
    pairs = {key: _built(x, read) for key, x in content}
    if kind == "named":
        known = {"Events": Events}
        of = known.get(name[0]) or collections.namedtuple(name[0], pairs)
        return of(**pairs)
    make = {"dict": dict, "list": list, "tuple": tuple, "none": lambda _: None}
    return make[kind](pairs if kind == "dict" else pairs.values())
