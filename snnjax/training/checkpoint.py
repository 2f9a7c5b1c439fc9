"""Where a training stood after its last whole epoch, on disk."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from snnjax.core.files import load, save
from snnjax.core.provenance import digest

_NOTE = "fit.json"


class Checkpoint:
    """The folder of one training: `fit.json` tells how far it is and names the arrays' file.

    Both files appear whole or not at all, and the note is replaced last: a process killed at
    any moment leaves the epoch before.

    - `made_by`: what the numbers depend on, by name; a folder made by other is refused.
    """

    def __init__(self, folder: Any, made_by: dict[str, Any]):
        self.folder = Path(folder)
        self.made_by = made_by
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(
                f"fit.checkpoint={str(folder)!r} must be a folder, it is a file."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    def restore(self, stand: Any) -> tuple[Any, str]:
        """(stand, why it ended if it did) as saved; `stand` itself if nothing was."""
        path = self.folder / _NOTE
        if not path.exists():
            return stand, ""
        note = json.loads(path.read_text(encoding="utf-8"))
        then, now = note["made_by"], self.made_by
        other = [n for n in now if n not in then or not _equal(then[n], now[n])]
        if "where" in other or "model" in other:  # then its updates differ, too
            other = [n for n in other if n != "optimizer"]
        if other:
            raise ValueError(
                f"fit.checkpoint={str(self.folder)!r} belongs to a training with another "
                f"{', another '.join(other)}.{_difference(then, now, other)} Give what it was "
                "made with, or another folder; delete it to begin anew."
            )
        moving, best = load(self.folder / note["arrays"], (stand.moving, stand.best))
        return stand._replace(moving=moving, best=best, rows=note["rows"]), note["stopped"]

    def save(self, stand: Any, stopped: str) -> None:
        """Keep where a training stands, and why it ended if it did."""
        name = f"fit-{len(stand.rows):05d}.eqx"
        save(self.folder / name, (stand.moving, stand.best))
        note = dict(arrays=name, stopped=stopped, made_by=self.made_by, rows=stand.rows)
        part = self.folder / (_NOTE + ".part")
        part.write_text(json.dumps(note, indent=1), encoding="utf-8")
        part.replace(self.folder / _NOTE)
        for old in self.folder.glob("fit-*.eqx*"):
            if old.name != name:
                old.unlink()


def name_of(thing: Any) -> str:
    """What to call a loss, an encoder or the like: its name, and the bits of its arrays."""
    if thing is None or isinstance(thing, tuple):
        return ", ".join(map(name_of, thing or ())) or "none"
    if hasattr(thing, "__qualname__"):
        return f"{thing.__module__}.{thing.__qualname__}"
    return f"{type(thing).__qualname__} {digest(thing)}"


def habits(optimizer: optax.GradientTransformation, params: Any) -> list[float]:
    """Size of the optimiser's update for a fixed gradient, at first and later in a schedule.

    Functions have no fingerprint, but what they do does.
    """

    @jax.jit
    def size(params, count):
        state = jax.tree.map(
            lambda x: jnp.full_like(x, count) if _is_counter(x) else x,
            optimizer.init(params),
        )
        grads = jax.tree.map(jnp.cos, params)
        update = optax.with_extra_args_support(optimizer).update
        return optax.tree.norm(update(grads, state, params, value=jnp.ones(()))[0])

    return [float(size(params, count)) for count in (0, 10, 100, 1000, 10_000, 100_000)]


def _is_counter(x: Any) -> bool:
    return jnp.ndim(x) == 0 and jnp.issubdtype(jnp.result_type(x), jnp.signedinteger)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, list) and a and isinstance(a[0], float):
        return len(a) == len(b) and np.allclose(a, b, rtol=1e-4, equal_nan=True)
    return a == json.loads(json.dumps(b))


def _difference(then: dict, now: dict, names: list[str]) -> str:
    short = [n for n in names if n in then and len(f"{then[n]}{now[n]}") < 120]
    return "".join(f" {n.capitalize()} was {then[n]}, is {now[n]}." for n in short)
