"""Inputs from recorded samples: arrays and files."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from snnjax.core.checks import finite, positive
from snnjax.inputs.base import AbstractWaveform

SUFFIXES = (".npy", ".npz", ".csv", ".txt")


def from_array(
    values: ArrayLike, dt: ArrayLike, *, repeat: bool = False
) -> AbstractWaveform:
    """Samples that are held for `dt` (ms) each, whatever the step of the run is.

    - `values`: time first, `[T]` or one value a neuron `[T, ...n]`.
    - `dt`: ms, the time between samples. A shorter step of the run repeats a sample, a longer
      one takes the sample at its middle and skips others.
    - `repeat`: begin again at the end. Otherwise there is no value after the end, and a run
      that goes on gets NaN, which `simulate` reports.
    """
    values = finite(values, "from_array.values")
    if values.ndim == 0 or not len(values):
        raise ValueError(
            f"from_array.values must be samples [T, ...], got an array of shape {values.shape}. "
            "For a current that is constant in time use constant(value)."
        )
    return Samples(values, positive(dt, "from_array.dt", "ms"), bool(repeat))


def from_file(
    path: str | Path, dt: ArrayLike, *, name: str | None = None, repeat: bool = False
) -> AbstractWaveform:
    """Samples from a file, held for `dt` (ms) each; see `from_array`.

    - `path`: an array in .npy, or in .npz under `name`; or .csv (commas) or .txt (blanks), one
      line per sample with one column per neuron, after any header line or lines with `#`. A
      single column is one current for all.
    """
    return from_array(_read(Path(path), name), dt, repeat=repeat)


class Samples(AbstractWaveform):
    """See `from_array`."""

    values: Float[Array, "T *n"]
    dt: Float[Array, ""]
    repeat: bool = eqx.field(static=True)

    @property
    def duration(self):
        return None if self.repeat else len(self.values) * self.dt

    @property
    def edges(self):
        return jnp.arange(len(self.values) + 1) * self.dt

    def value(self, t, now):
        # In steps of twice dt the middle is an edge of samples: rounding must not decide.
        samples = now / self.dt
        k = jnp.floor(samples * (1 + 2 * jnp.finfo(now.dtype).eps)).astype(jnp.int32)
        if self.repeat:
            return self.values[k % len(self.values)]
        inside = (k >= 0) & (k < len(self.values))
        return jnp.where(inside, self.values[k], jnp.nan)


def _read(path: Path, name: str | None) -> Any:
    where = f"from_file.path={str(path)!r}"
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{where} must end in one of {', '.join(SUFFIXES)}.")
    if name is not None and path.suffix != ".npz":
        raise ValueError(
            f"from_file.name={name!r} is for .npz files only, not {path.name!r}."
        )
    if not path.is_file():
        raise ValueError(f"{where}: there is no such file in {Path.cwd()}.")
    try:
        if path.suffix not in (".npy", ".npz"):
            values = _read_text(path)
        elif path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = _pick(np.load(path, allow_pickle=False), name)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{where} cannot be read: {error}") from None
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise ValueError(f"{where} must hold real numbers, got {values.dtype}.")
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"{where} must be finite: sample {tuple(int(k) for k in bad[0])} is "
            f"{values[tuple(bad[0])]}, and so are {len(bad)} of {values.size}."
        )
    return values


def _read_text(path: Path) -> np.ndarray:
    comma = "," if path.suffix == ".csv" else None
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows, header = [], None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            rows.append([float(cell) for cell in text.split(comma)])
        except ValueError:
            if rows or header:
                raise ValueError(f"line {number} is not numbers: {line!r}") from None
            header = line
        if rows and len(rows[-1]) != len(rows[0]):
            raise ValueError(
                f"line {number} has {len(rows[-1])} columns, those before {len(rows[0])}"
            )
    values = np.array(rows)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _pick(archive: Any, name: str | None) -> np.ndarray:
    with archive:
        if name is None and len(archive.files) == 1:
            name = archive.files[0]
        if name not in archive.files:
            raise ValueError(
                f"give name= as one of its arrays {archive.files}, got {name!r}"
            )
        return archive[name]
