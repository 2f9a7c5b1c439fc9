"""The batches of a sweep in a folder, so that one that was killed goes on where it stopped.

sweep.json             what is swept, and in batches of how many points
batch-000000.npz       what a batch gave; appears whole, by a rename
"""

import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from snnjax.core.provenance import digest
from snnjax.sweeps.files import describe

NOTE = "sweep.json"
REASONS, RESULT = "reasons", "result."


class Store:
    """The folder of one sweep."""

    def __init__(self, folder: Any, made_by: dict[str, Any]):
        self.folder, self.made_by = Path(folder), made_by

    def begin(self) -> list[int]:
        """How many points each program takes at once, as far as that is noted there.

        Refuses a folder of another sweep, and one that cannot be written.
        """
        note = self.folder / NOTE
        if not note.exists():
            if jax.process_index() > 0:
                return []  # the first process looks
            # Hidden files may be what a killed process was about to write.
            visible = lambda: (p for p in self.folder.iterdir() if p.name[0] != ".")
            if self.folder.exists() and (not self.folder.is_dir() or any(visible())):
                raise ValueError(
                    f"sweep.store={str(self.folder)!r} holds other files. Give a folder that is "
                    "empty, new, or that of this sweep."
                )
            self._try_to_write()
            return []
        then = json.loads(note.read_text(encoding="utf-8"))
        for what, now in self.made_by.items():
            if then["made_by"].get(what) != now:
                raise ValueError(
                    f"sweep.store={str(self.folder)!r} is of another sweep: its {what} differs "
                    f"({_short(then['made_by'].get(what))} there, {_short(now)} here). "
                    "Give another folder, or delete this one."
                )
        return then["sizes"]

    def found(self, sizes: list[int]) -> None:
        """Note how many points each program takes at once, on which the bits can depend."""
        if jax.process_index() > 0:
            return
        text = json.dumps({"made_by": self.made_by, "sizes": sizes}, indent=1)
        _replace(self.folder / NOTE, lambda file: file.write(text.encode()))

    def has(self, number: int) -> bool:
        return self._file(number).exists()

    def read(self, number: int) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """(what batch `number` gave, reasons by point of those that failed)."""
        with np.load(self._file(number)) as data:
            reasons = json.loads(str(data[REASONS]))
            arrays = {n.removeprefix(RESULT): x for n, x in data.items() if n != REASONS}
        return arrays, {int(k): reason for k, reason in reasons.items()}

    def write(
        self, number: int, arrays: dict[str, np.ndarray], reasons: dict[int, str]
    ) -> None:
        text = np.array(json.dumps(reasons))
        # Names of results must not be those of the arguments of savez.
        named = {RESULT + n: x for n, x in arrays.items()} | {REASONS: text}
        put = lambda file: np.savez(file, **named)
        try:
            _replace(self._file(number), put)
        except OSError as error:
            raise OSError(
                f"sweep.store={str(self.folder)!r} could not be written: {error}. "
                "The same call goes on after the last batch written, once there is room."
            ) from error

    def _file(self, number: int) -> Path:
        return self.folder / f"batch-{number:06d}.npz"

    def _try_to_write(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(self.folder / ".trial", lambda file: file.write(b""))
            (self.folder / ".trial").unlink()
        except OSError as error:
            raise ValueError(
                f"sweep.store={str(self.folder)!r} cannot be written: {error}."
            ) from error


def made_by(programs: list[Any], points: Any, key: Any) -> dict[str, Any]:
    """What decides the numbers of a sweep, each by a fingerprint."""
    notes, arrays = describe(points)
    return {
        "function": digest([program.fingerprint() for program in programs]),
        "points": digest((json.dumps(notes, default=str), sorted(arrays.items()))),
        "key": None if key is None else np.asarray(jax.random.key_data(key)).tolist(),
        "jax": jax.__version__,
        "device": jax.default_backend(),
    }


def _replace(path: Path, write: Any) -> None:
    """Write a file that appears whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _short(thing: Any) -> str:
    return str(thing)[:40]
