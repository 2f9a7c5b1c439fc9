"""Images in the format of MNIST, from files that the user has."""

import gzip
import math
from pathlib import Path

import numpy as np

from snnjax.core import checks
from snnjax.datasets.split import Split

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def load_idx(path: str | Path) -> np.ndarray:
    """The array in a file of the IDX format, as MNIST comes in; gzipped or not.

    Two zero bytes, one for the type, one for the number of axes, a 32-bit size of each, then
    the numbers, all big-endian. Raises `ValueError` if the file is anything else.
    """
    path = Path(path)
    where = f"load_idx.path={str(path)!r}"
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise ValueError(f"{where} cannot be read: {error}") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in DTYPES:
        raise ValueError(
            f"{where} is no IDX file: it begins with 0x{data[:4].hex()}, not with two zero "
            "bytes, a type in 0x08 .. 0x0e and the number of axes."
        )
    dtype, start = np.dtype(DTYPES[data[2]]), 4 + 4 * data[3]
    shape = tuple(
        int(n) for n in np.frombuffer(data[4:start], ">u4", len(data[4:start]) // 4)
    )
    expected = start + math.prod(shape) * dtype.itemsize
    if len(shape) != data[3] or len(data) != expected:
        state = "truncated" if len(shape) != data[3] or len(data) < expected else "too long"
        raise ValueError(
            f"{where} is {state}: it has {len(data)} bytes, but {data[3]} axes of sizes "
            f"{list(shape)} and type {dtype.name} take {expected}."
        )
    values = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def load_mnist(path: str | Path, seed: int = 0, n_validation: int = 5000) -> Split:
    """MNIST or data in its form (Fashion-MNIST, Kuzushiji-MNIST, ...), from `path`.

    - `path`: a folder with the four files train-images-idx3-ubyte, train-labels-idx1-ubyte,
      t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (also with .gz at the end, or a dot
      before idx), or an .npz with x_train, y_train, x_test and y_test.
    - `n_validation`: images held out from the training set, stratified by label and drawn by
      `seed`. The test set is the file's own.

    Each part is (x [n, height, width, 1] in 0 .. 1, labels [n]), float32 and int32. LeCun,
    Bottou, Bengio & Haffner 1998, Proc. IEEE 86:2278. No download.
    """
    from sklearn.model_selection import train_test_split

    path = Path(path)
    parts = _from_folder(path) if path.is_dir() else _from_npz(path)
    (x, y), test = (_as_images(path, *part) for part in parts)
    held_out = checks.count(n_validation, "load_mnist.n_validation")
    if held_out >= len(y):
        raise ValueError(
            f"load_mnist.n_validation={n_validation} must be below the {len(y)} images of the "
            "training set."
        )
    x_train, x_val, y_train, y_val = train_test_split(
        x, y, test_size=held_out, stratify=y, random_state=seed
    )
    return Split((x_train, y_train), (x_val, y_val), test)


def _from_folder(folder: Path):
    def find(part, kind):
        names = [f"{part}-{kind}{dot}ubyte" for dot in ("-idx{}-", ".idx{}-")]
        axes = 3 if kind == "images" else 1
        names = [n.format(axes) + end for n in names for end in ("", ".gz")]
        for name in names:
            if (folder / name).is_file():
                return load_idx(folder / name)
        raise ValueError(
            f"load_mnist.path={str(folder)!r} has no file {names[0]}, nor with .gz."
        )

    return [(find(part, "images"), find(part, "labels")) for part in ("train", "t10k")]


def _from_npz(path: Path):
    where = f"load_mnist.path={str(path)!r}"
    if path.suffix != ".npz" or not path.is_file():
        raise ValueError(f"{where} must be a folder of IDX files or an .npz file.")
    with np.load(path, allow_pickle=False) as archive:
        names = ["x_train", "y_train", "x_test", "y_test"]
        for name in names:
            if name not in archive.files:
                raise ValueError(f"{where} has no array {name}; it has {archive.files}.")
        x_train, y_train, x_test, y_test = (archive[name] for name in names)
    return (x_train, y_train), (x_test, y_test)


def _as_images(path: Path, x, y):
    if x.ndim != 3 or y.shape != x.shape[:1] or x.dtype != np.uint8:
        raise ValueError(
            f"load_mnist.path={str(path)!r} must hold images [n, height, width] of 8 bits and "
            f"a label for each, got shapes {x.shape} of {x.dtype} and {y.shape}."
        )
    return x[..., None].astype(np.float32) / 255, y.astype(np.int32)
