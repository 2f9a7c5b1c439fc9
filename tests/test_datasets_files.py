"""Files of data, written here byte by byte, and what the loaders make of them."""

import gzip
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnjax import datasets

# IDX and MNIST

CODES = {"B": 0x08, "b": 0x09, "h": 0x0B, "i": 0x0C, "f": 0x0D, "d": 0x0E}


def idx(values, kind, shape):
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, CODES[kind], len(shape), *shape)
    return head + struct.pack(f">{len(values)}{kind}", *values)


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("squeeze", [False, True])
def test_idx_of_every_type_gzipped_or_not(kind, squeeze, tmp_path):
    values = list(range(24)) if kind == "B" else list(range(-12, 12))
    data = idx(values, kind, (2, 3, 4))
    path = tmp_path / "some-idx3"
    path.write_bytes(gzip.compress(data) if squeeze else data)
    array = datasets.load_idx(path)
    np.testing.assert_array_equal(array, np.reshape(values, (2, 3, 4)))
    assert array.dtype == np.dtype(kind) and array.dtype.isnative
    array[0] = 0  # and may be written to


def test_idx_refuses_what_is_none(tmp_path):
    path = tmp_path / "x"
    whole = idx(range(6), "h", (2, 3))
    for bad, words in [
        (
            whole[:-1],
            r"is truncated: it has 23 bytes, but 2 axes of sizes \[2, 3\] .* take 24",
        ),
        (whole[:9], r"is truncated: it has 9 bytes"),
        (whole + b"\0", r"is too long: it has 25 bytes"),
        (b"\x89PNG1234", r"no IDX file: it begins with 0x89504e47"),
        (b"\0\0\x07\x01" + whole[4:], r"no IDX file: it begins with 0x00000701"),
        (b"", r"no IDX file"),
        (gzip.compress(whole)[:-9], r"cannot be read"),
    ]:
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=words):
            datasets.load_idx(path)
    with pytest.raises(ValueError, match=r"nowhere' cannot be read"):
        datasets.load_idx(tmp_path / "nowhere")


def images(seed, n):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 5, 4), np.uint8), (np.arange(n) % 3).astype(np.uint8)


@pytest.fixture(params=["folder", "gzipped with a dot", "npz"])
def mnist(request, tmp_path):
    (x, y), (x_test, y_test) = images(0, 60), images(1, 12)
    if request.param == "npz":
        path = tmp_path / "mnist.npz"
        np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
        return path
    dot, end = ("-", "") if request.param == "folder" else (".", ".gz")
    for part, values, labels in (("train", x, y), ("t10k", x_test, y_test)):
        for kind, array in (("images", values), ("labels", labels)):
            data = idx(array.ravel().tolist(), "B", array.shape)
            name = f"{part}-{kind}{dot}idx{array.ndim}-ubyte{end}"
            (tmp_path / name).write_bytes(gzip.compress(data) if end else data)
    return tmp_path


def test_mnist_in_all_its_forms(mnist):
    parts = datasets.load_mnist(mnist, seed=0, n_validation=15)
    assert [x.shape for x, _ in parts] == [(45, 5, 4, 1), (15, 5, 4, 1), (12, 5, 4, 1)]
    assert all(x.dtype == np.float32 and y.dtype == np.int32 for x, y in parts)
    x_test, y_test = images(1, 12)
    np.testing.assert_allclose(parts.test[0][..., 0], x_test / 255, rtol=1e-6)
    np.testing.assert_array_equal(parts.test[1], y_test)
    assert np.bincount(parts.validation[1]).tolist() == [5, 5, 5]
    x, y = images(0, 60)
    rows = {image.tobytes(): label for image, label in zip(x, y, strict=True)}
    for part, labels in parts[:2]:
        for image, label in zip(part, labels, strict=True):
            whole = np.round(image[..., 0] * 255).astype(np.uint8).tobytes()
            assert rows.pop(whole) == label  # each image once, with its own label
    assert not rows
    other = datasets.load_mnist(mnist, seed=1, n_validation=15)
    assert not np.array_equal(other.validation[0], parts.validation[0])


def test_mnist_refuses(tmp_path):
    with pytest.raises(ValueError, match=r"has no file train-images-idx3-ubyte, nor with"):
        datasets.load_mnist(tmp_path)
    with pytest.raises(ValueError, match=r"must be a folder of IDX files or an \.npz"):
        datasets.load_mnist(tmp_path / "mnist.pkl")
    path = tmp_path / "m.npz"
    x, y = images(0, 9)
    np.savez(path, x_train=x, y_train=y, x_test=x)
    with pytest.raises(ValueError, match=r"has no array y_test; it has \['x_train'"):
        datasets.load_mnist(path)
    np.savez(path, x_train=x, y_train=y[:5], x_test=x, y_test=y)
    with pytest.raises(ValueError, match=r"got shapes \(9, 5, 4\) of uint8 and \(5,\)"):
        datasets.load_mnist(path)
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(ValueError, match=r"n_validation=9 must be below the 9 images"):
        datasets.load_mnist(path, n_validation=9)


# Events

T = np.array([0, 1500, 1500, 40_000])  # us
X, Y, P = np.array([3, 0, 3, 1]), np.array([1, 2, 1, 0]), np.array([1, 0, 1, 0])


def written(kind, folder):
    """The four events above in a file of this kind."""
    path = folder / f"events.{kind.split()[0]}"
    if kind == "npy structured":
        names = [("ts", "u4"), ("x", "u2"), ("y", "u2"), ("p", "?")]
        np.save(path, np.array(list(zip(T, X, Y, P, strict=True)), dtype=names))
    elif kind == "npy columns":
        np.save(path, np.stack([T, X, Y, P], 1))
    elif kind == "npz named":
        np.savez(path, t=T, x=X, y=Y, polarity=2 * P - 1)
    elif kind == "npz columns":
        np.savez(path, events=np.stack([T, X, Y, P], 1))
    elif kind == "csv header":
        rows = [f"{y},{x},{p},{t}" for t, x, y, p in zip(T, X, Y, P, strict=True)]
        path.write_text("y, x, p, t\n" + "\n".join(rows) + "\n")
    elif kind == "csv":
        rows = [f"{t},{x},{y},{p}" for t, x, y, p in zip(T, X, Y, P, strict=True)]
        path.write_text("\n".join(rows))
    elif kind == "bin":
        rows = [
            bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255])
            for t, x, y, p in zip(*(a.tolist() for a in (T, X, Y, P)), strict=True)
        ]
        path.write_bytes(b"".join(rows))
    return path


KINDS = ["npy structured", "npy columns", "npz named", "npz columns", "csv header", "csv"]


@pytest.mark.parametrize("kind", [*KINDS, "bin"])
def test_events_in_every_kind_of_file(kind, tmp_path):
    path = written(kind, tmp_path)
    events = datasets.load_events(path, (5, 4, 2))
    assert len(events) == 1 and events.shape == (5, 4, 2)
    np.testing.assert_allclose(events.times, T / 1000)
    np.testing.assert_array_equal(np.unravel_index(events.channels, (5, 4, 2)), [Y, X, P])
    assert datasets.load_events([path, path]).shape == (3, 4, 2)
    dense = events.to_dense(4, 1.0, counts=True)
    assert dense.shape == (4, 1, 5, 4, 2) and dense.sum() == 3  # one is after 4 ms
    assert dense[0, 0, 1, 3, 1] == dense[1, 0, 2, 0, 0] == dense[1, 0, 1, 3, 1] == 1


def test_events_of_channels_in_other_units_and_order(tmp_path):
    path = tmp_path / "e.npy"
    np.save(path, [[0.5, 4], [0.001, 7]])
    events = datasets.load_events(path, (10,), time_unit="s")
    np.testing.assert_allclose(events.times, [500, 1])
    np.testing.assert_array_equal(events.channels, [4, 7])
    swapped = datasets.load_events(path, columns=("channel", "time"), time_unit="ms")
    np.testing.assert_allclose(swapped.times, [4, 7])
    np.save(path, [[2000, 3, 1], [3000, 2, -1]])
    events = datasets.load_events(path)
    assert events.shape == (4, 2)
    np.testing.assert_array_equal(events.channels, [3 * 2 + 1, 2 * 2])


def test_the_clock_of_the_retina_runs_over(tmp_path):
    """A row of 240 is no pixel: it adds 2^13 us to what follows."""
    path = tmp_path / "n.bin"
    path.write_bytes(bytes([1, 2, 0, 0, 9, 0, 240, 0, 0, 0, 5, 6, 0x80, 0, 7]))
    events = datasets.load_events(path, (34, 34, 2))
    np.testing.assert_allclose(events.times, [0.009, 8.199])
    np.testing.assert_array_equal(
        np.unravel_index(events.channels, (34, 34, 2)), [[2, 6], [1, 5], [0, 1]]
    )


def test_event_files_refused(tmp_path):
    path = tmp_path / "e.npy"
    np.save(path, np.stack([T, X, Y, P], 1))
    with pytest.raises(
        ValueError, match=r"shape=\(2, 4, 2\) does not hold .* to \(2, 3, 1\)"
    ):
        datasets.load_events(path, (2, 4, 2))
    with pytest.raises(
        ValueError, match=r"shape=\(9,\) does not fit events with \[3\] coor"
    ):
        datasets.load_events(path, (9,))
    with pytest.raises(ValueError, match=r"time_unit must be one of .*got 'min'"):
        datasets.load_events(path, time_unit="min")
    with pytest.raises(ValueError, match=r"has no channel|has no y"):
        datasets.load_events(path, columns=("time", "a", "x", "p"))
    with pytest.raises(ValueError, match=r"named by columns=, got shape \(4, 4\)"):
        datasets.load_events(path, columns=("time", "x"))
    with pytest.raises(ValueError, match=r"must name at least one file"):
        datasets.load_events([])
    with pytest.raises(ValueError, match=r"e\.txt' must end in one of \.npy"):
        datasets.load_events(tmp_path / "e.txt")
    with pytest.raises(ValueError, match=r"none\.csv' cannot be read"):
        datasets.load_events(tmp_path / "none.csv")
    np.savez(tmp_path / "e.npz", t=T, channel=X[:2])
    with pytest.raises(ValueError, match=r"one number of each kind for each event"):
        datasets.load_events(tmp_path / "e.npz")
    (tmp_path / "e.bin").write_bytes(bytes(12))
    with pytest.raises(ValueError, match=r"12 bytes are no whole number of events"):
        datasets.load_events(tmp_path / "e.bin")
    np.save(path, [[-5, 1]])
    with pytest.raises(ValueError, match=r"times must be finite and at least 0 ms"):
        datasets.load_events(path)


# Steps


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5)), max_size=40),
    st.sampled_from([0.1, 0.5, 1.0, 2.5]),
    st.booleans(),
)
def test_bins_are_a_loop_in_python(events, dt, counts):
    """Times in whole tenths of a ms, so that integers say which step they are in."""
    times = np.array([t / 10 for t, _ in events])
    channels = np.array([c for _, c in events], int)
    expected = np.zeros((7, 6))
    for t, c in events:
        step = t // round(10 * dt)
        if step < 7:
            expected[step, c] = expected[step, c] + 1 if counts else 1
    dense = datasets.bin_events(times, channels, 7, dt, (3, 2), counts=counts)
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense, expected.reshape(7, 3, 2))


def test_bins_refuse():
    for args, words in [
        (([1.0, 2.0], [0], 5, 1.0, (3,)), r"times and channels must be of the same length"),
        (
            ([-1.0], [0], 5, 1.0, (3,)),
            r"bin_events\.times must be finite and at least 0 ms",
        ),
        (([np.nan], [0], 5, 1.0, (3,)), r"bin_events\.times must be finite"),
        (
            ([1.0], [3], 5, 1.0, (3,)),
            r"channels must lie in 0 \.\. 2 for shape=\(3,\), got 3",
        ),
        (([1.0], [0], 0, 1.0, (3,)), r"n_steps must be a whole number above 0"),
        (([1.0], [0], 5, 0.0, (3,)), r"bin_events\.dt must be above 0 ms"),
    ]:
        with pytest.raises(ValueError, match=words):
            datasets.bin_events(*args)


@pytest.fixture
def recordings():
    rng = np.random.default_rng(0)
    lengths = [5, 0, 17, 1, 9, 3, 0]
    times = [np.sort(rng.uniform(0, 50, n)).astype(np.float32) for n in lengths]
    channels = [rng.integers(0, 20, n) for n in lengths]
    return times, channels, datasets.SpikeEvents.of(times, channels, (20,))


def test_ragged_recordings(recordings):
    times, channels, events = recordings
    assert len(events) == 7 and events.duration == max(t.max(initial=0) for t in times)
    for i in (*range(7), -1):
        for got, asked in zip(events[i], (times[i], channels[i]), strict=True):
            np.testing.assert_array_equal(got, asked)
    with pytest.raises(IndexError):
        events[7]
    some = events[[4, 1, 4]]
    assert len(some) == 3
    np.testing.assert_array_equal(
        some.to_dense(50, 1.0)[:, 2], events[4:5].to_dense(50, 1.0)[:, 0]
    )
    dense = events.to_dense(60, 1.0, counts=True)
    assert dense.shape == (60, 7, 20)
    for i in range(7):
        one = datasets.bin_events(times[i], channels[i], 60, 1.0, (20,), counts=True)
        np.testing.assert_array_equal(dense[:, i], one)
    assert dense.sum() == 35


def test_batches_are_the_recordings_a_few_at_a_time(recordings):
    events = recordings[2]
    whole = events.to_dense(25, 2.0)
    for seed in (None, 3):
        seen = []
        for rows, dense in events.batches(3, 25, 2.0, seed=seed):
            assert dense.shape[1] == len(rows) <= 3
            np.testing.assert_array_equal(dense, whole[:, rows])
            seen.extend(rows.tolist())
        assert sorted(seen) == list(range(7))
        assert (seen == list(range(7))) == (seed is None)


def test_batches_need_the_memory_of_one_batch():
    """400 recordings, dense 560 MB, through batches of 5."""
    import tracemalloc

    n, per = 400, 100
    rng = np.random.default_rng(0)
    events = datasets.SpikeEvents(
        rng.uniform(0, 500, n * per).astype(np.float32),
        rng.integers(0, 700, n * per).astype(np.int32),
        np.arange(n + 1) * per,
        (700,),
    )
    tracemalloc.start()
    try:
        total = sum(dense.sum() for _, dense in events.batches(5, 500, 1.0, counts=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == n * per
    assert peak < 3 * 4 * 5 * 500 * 700  # of three batches


def test_padded_recordings(recordings):
    times, channels, events = recordings
    padded = events.padded()
    assert padded.shape == (7, 17, 2) and padded.dtype == np.float32
    for i in range(7):
        there = ~np.isnan(padded[i, :, 0])
        assert there.sum() == len(times[i])
        np.testing.assert_array_equal(
            padded[i, there], np.stack([times[i], channels[i]], 1)
        )
    assert events.padded(20).shape == (7, 20, 2)
    with pytest.raises(ValueError, match=r"max_events=16 is too few: recording 2 has 17"):
        events.padded(16)


def test_recordings_refuse():
    of = datasets.SpikeEvents.of
    with pytest.raises(ValueError, match=r"needs a channel for each time"):
        of([[1.0, 2.0]], [[0]], (3,))
    with pytest.raises(ValueError, match=r"SpikeEvents\.channels must lie in 0 \.\. 2"):
        of([[1.0]], [[3]], (3,))
    with pytest.raises(ValueError, match=r"SpikeEvents\.times must be finite"):
        of([[np.inf]], [[0]], (3,))
    with pytest.raises(ValueError, match=r"offsets must rise from 0 to 2"):
        datasets.SpikeEvents(np.ones(2), np.zeros(2, int), np.array([0, 3, 2]), (3,))


# Spoken digits


@pytest.fixture
def shd(tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    lengths = [4, 0, 9]
    times = [np.sort(rng.uniform(0, 1.4, n)).astype(np.float16) for n in lengths]
    units = [rng.integers(0, 700, n).astype(np.uint16) for n in lengths]
    path = tmp_path / "shd.h5"
    with h5py.File(path, "w") as file:
        for name, parts, dtype in (("times", times, "f2"), ("units", units, "u2")):
            kind = h5py.vlen_dtype(np.dtype(dtype))
            data = file.create_dataset(f"spikes/{name}", (3,), dtype=kind)
            for i, part in enumerate(parts):
                data[i] = part
        file["labels"] = np.array([19, 3, 7], np.uint16)
        file["extra/speaker"] = np.array([1, 4, 4], np.uint16)
        file["extra/keys"] = np.array([b"zero", b"null"])
        file["extra/meta_info/gender"] = np.array([b"f"])
    return path, times, units


def test_spoken_digits_come_back(shd):
    path, times, units = shd
    events, labels, extra = datasets.load_shd(path)
    assert len(events) == 3 and events.shape == (700,)
    for i in range(3):
        np.testing.assert_allclose(events[i][0], times[i].astype(float) * 1000, rtol=1e-6)
        np.testing.assert_array_equal(events[i][1], units[i])
    np.testing.assert_array_equal(labels, [19, 3, 7])
    assert labels.dtype == np.int32 and events.times.dtype == np.float32
    np.testing.assert_array_equal(extra["speaker"], [1, 4, 4])
    assert set(extra) == {"speaker", "keys"}
    assert events.to_dense(100, 14.0).shape == (100, 3, 700)


def test_spoken_digits_refused(shd, tmp_path, monkeypatch):
    import h5py

    path = shd[0]
    with pytest.raises(
        ValueError, match=r"channels must lie in 0 \.\. 9 for shape=\(10,\)"
    ):
        datasets.load_shd(path, n_channels=10)
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"bad\.h5' cannot be read"):
        datasets.load_shd(tmp_path / "bad.h5")
    with h5py.File(path, "a") as file:
        labels = file["labels"][:]
        del file["labels"]
    with pytest.raises(ValueError, match=r"has no labels; it has \['extra', 'spikes'\]"):
        datasets.load_shd(path)
    with h5py.File(path, "a") as file:
        file["labels"] = labels[:2]
    with pytest.raises(ValueError, match=r"has 3 times, 3 units and 2 labels"):
        datasets.load_shd(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'pip install "snnjax\[datasets\]"'):
        datasets.load_shd(path)
