"""Points of sweeps, their samples, and the labels and files of results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import snnjax as snn

sweeps = snn.sweeps


def test_points_count_with_the_last_dimension_fastest():
    points = sweeps.grid(a=[1, 2], b=[10.0, 20.0, 30.0])
    assert len(points) == 6 and points.shape == (2, 3)
    taken = points.take(np.arange(6))
    np.testing.assert_array_equal(taken["a"], [1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(taken["b"], [10, 20, 30] * 2)
    part = points.part([5, 0])
    np.testing.assert_array_equal(part.take(np.arange(2))["b"], [30, 10])
    np.testing.assert_array_equal(part.numbers, [5, 0])


def test_labels_stay_when_the_array_given_changes():
    a = np.arange(3.0)
    result = snn.sweep(lambda a: a, dict(a=a))
    a *= 2
    np.testing.assert_array_equal(result.coords["a"], [0, 1, 2])


def test_seeds_beyond_32_bits_are_not_cut():
    seeds = [1, 2**32 + 1]
    np.testing.assert_array_equal(sweeps.grid(seed=seeds).axes["seed"].values, seeds)
    with jax.enable_x64(False):
        with pytest.raises(ValueError, match="seed has 4294967297, beyond int32"):
            sweeps.grid(seed=seeds)
        sweeps.grid(seed=[1, 2**31 - 1])


def test_a_latin_hypercube_has_each_slice_once():
    points = sweeps.latin_hypercube(50, seed=1, a=(0.0, 10.0), b=(-1.0, 1.0))
    for name, low, high in (("a", 0, 10), ("b", -1, 1)):
        x = points.axes[name].values
        slices = np.floor((x - low) / (high - low) * 50)
        np.testing.assert_array_equal(np.sort(slices), np.arange(50))
    again = sweeps.latin_hypercube(50, seed=1, a=(0.0, 10.0), b=(-1.0, 1.0))
    np.testing.assert_array_equal(again.axes["a"].values, points.axes["a"].values)
    assert np.any(points.axes["a"].values / 10 != (points.axes["b"].values + 1) / 2)


def test_sobol_points_are_balanced_and_integrate_well():
    points = sweeps.sobol(1024, seed=0, a=(0.0, 1.0), b=(0.0, 1.0))
    a, b = (points.axes[n].values for n in "ab")
    counts = np.histogram2d(a, b, bins=32, range=[[0, 1], [0, 1]])[0]
    np.testing.assert_array_equal(counts, 1)  # one in each elementary square
    assert abs(np.mean(a * b) - 0.25) < 1e-4  # at random: 0.007


@pytest.mark.parametrize("draw", [sweeps.uniform, sweeps.latin_hypercube, sweeps.sobol])
def test_samples_follow_their_distributions(draw):
    n = 2048
    points = draw(
        n, seed=3, g=scipy.stats.loguniform(0.1, 10.0), v=scipy.stats.norm(-65, 5)
    )
    for name, law in (
        ("g", scipy.stats.loguniform(0.1, 10)),
        ("v", scipy.stats.norm(-65, 5)),
    ):
        x = points.axes[name].values
        assert scipy.stats.kstest(x, law.cdf).pvalue > 1e-3
    assert (
        abs(np.corrcoef(np.log(points.axes["g"].values), points.axes["v"].values)[0, 1])
        < 0.09
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sweeps.sobol(100, seed=0, a=(0, 1)), "power of two .* 64 or 128"),
        (lambda: sweeps.uniform(10, seed=0, a=(1, 0)), r"uniform.a must be \(low, high\)"),
        (lambda: sweeps.uniform(10, seed=0, a=3), r"uniform.a must be \(low, high\)"),
        (lambda: sweeps.latin_hypercube(10, seed=0), "needs at least one range"),
        (lambda: sweeps.latin_hypercube(0, seed=0, a=(0, 1)), "latin_hypercube.n"),
        (lambda: sweeps.uniform(0, seed=0, a=(0, 1)), "uniform.n must be a whole"),
    ],
)
def test_ranges_that_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def surface(a, b, kind="plain"):
    return dict(z=a * 10 + b + (kind != "plain"), t=jnp.stack([a, b]))


OVER = dict(a=np.arange(4.0), b=np.linspace(0.0, 2.0, 5), kind=["plain", "more"])


@pytest.fixture(scope="module")
def result():
    return snn.sweep(surface, OVER)


def test_parts_by_place(result):
    z = result["z"].values
    one = result.isel(a=2, kind=0)
    np.testing.assert_array_equal(one["z"].values, z[2, :, 0])
    assert one["z"].dims == ("b",) and one["t"].values.shape == (5, 2)
    some = result.isel(b=[3, 1], a=slice(1, 3))
    np.testing.assert_array_equal(some["z"].values, z[1:3][:, [3, 1]])
    np.testing.assert_array_equal(some.coords["b"], OVER["b"][[3, 1]])
    np.testing.assert_array_equal(some.parameters["a"][..., 0], [[1, 1], [2, 2]])


def test_parts_by_value(result):
    z = result["z"].values
    np.testing.assert_array_equal(result.sel(a=1.9, b=0.6)["z"].values, z[2, 1])
    np.testing.assert_array_equal(result.sel(b=slice(0.5, 1.5))["z"].values, z[:, 1:4])
    np.testing.assert_array_equal(result.sel(b=slice(None, 0.9))["z"].values, z[:, :2])
    np.testing.assert_array_equal(result.sel(kind="more")["z"].values, z[..., 1])
    np.testing.assert_array_equal(result.sel(a=[3.0, 0.2])["z"].values, z[[3, 0]])
    part = result.sel(a=1.9, kind="more")
    assert part.at == dict(a=2, kind="more") and part.isel(b=0).at["b"] == 0
    assert "at a" in repr(part) and "at kind" in repr(part)
    with pytest.raises(ValueError, match=r"a=3.5 is outside 0.0 .. 3.0"):
        result.sel(a=3.5)
    with pytest.raises(ValueError, match="'c'"):
        result.sel(c=1)
    with pytest.raises(ValueError, match=r"b has no value in 5 .. inf, only 0.0 .. 2.0"):
        result.sel(b=slice(5, None))
    with pytest.raises(ValueError, match=r"must be one of .*'moer'.* Did you mean 'more'"):
        result.sel(kind="moer")
    with pytest.raises(ValueError, match=r"'zz'.* Did you mean 'z'"):
        result["zz"]


def test_parts_by_choices_that_are_no_text():
    call = lambda f, x, negative: jnp.where(negative, -f(x), f(x))
    over = dict(f=[jnp.sin, jnp.cos], x=[1.0, 2.0], negative=[False, True])
    result = snn.sweep(call, over)
    part = result.sel(f=jnp.cos, negative=True)
    np.testing.assert_allclose(part["value"].values, -np.cos([1.0, 2.0]), rtol=1e-12)


@pytest.mark.parametrize("array", [np.arange, jnp.arange])
def test_static_numbers_of_an_array_are_labels(array):
    result = snn.sweep(lambda n: jnp.ones(n).sum(), dict(n=sweeps.static(array(1, 4))))
    np.testing.assert_array_equal(result.coords["n"], [1, 2, 3])
    assert result.sel(n=2)["value"].values == 2


def test_lists_of_numbers_are_vectors_and_tuples_are_choices():
    total = lambda w: jnp.asarray(w).sum()
    pairs = [[1.0, 2.0], [3.0, 4.0]]
    for given, static in ((pairs, False), (list(map(tuple, pairs)), True)):
        result = snn.sweep(total, dict(w=given))
        np.testing.assert_array_equal(result["value"].values, [3, 7])
        assert result.points.axes["w"].static == static
    keys = jax.random.split(jax.random.key(0), 3)
    found = sweeps.grid(key=list(keys)).axes["key"].values
    np.testing.assert_array_equal(jax.random.key_data(found), jax.random.key_data(keys))
    words = sweeps.grid(rules=[["a", "b"], ["c", "d"]])
    assert words.axes["rules"].values == (["a", "b"], ["c", "d"])


def test_texts_in_an_array_are_choices():
    result = snn.sweep(lambda kind: 1 + (kind == "b"), dict(kind=np.array(["a", "b"])))
    np.testing.assert_array_equal(result["value"].values, [1, 2])


def test_parts_keep_what_failed():
    cut = lambda a, b: jnp.where((a == 2) & (b == 1), jnp.nan, a + b)
    whole = snn.sweep(cut, dict(a=np.arange(4.0), b=np.arange(3.0)))
    assert [f.number for f in whole.failed] == [7]
    part = whole.isel(a=slice(2, 4), b=[2, 1])
    assert [f.number for f in part.failed] == [1] and not part.ok[0, 1]
    assert not whole.isel(a=0).failed
    assert not whole.sel(a=2, b=1).ok
    twice = whole.sel(a=[2.1, 0, 1.9], b=[1])
    np.testing.assert_array_equal(twice.ok[:, 0], [False, True, False])
    assert [f.number for f in twice.failed] == [0, 2]
    with pytest.raises(ValueError, match="no point failed"):
        whole.isel(a=0).failed_points()
    with pytest.raises(ValueError, match="this part has no a any more"):
        whole.isel(a=2).failed_points()
    again = snn.sweep(lambda a, b: a + b, whole.isel(a=[2]).failed_points())
    assert again["value"].values == [3]


def test_the_best_point(result):
    assert result.best("z") == dict(a=0, b=0, kind="plain")
    assert result.best("z", largest=True) == dict(a=3, b=2, kind="more")
    with pytest.raises(ValueError, match="needs one of the names"):
        result.best()
    with pytest.raises(ValueError, match="one number a point"):
        result.best("t")
    holes = snn.sweep(lambda x: jnp.where(x < 2, jnp.nan, x), dict(x=np.arange(4.0)))
    assert holes.best() == dict(x=2)
    # Another result that is not finite there does not matter.
    silent = lambda x: dict(n=x, latency=jnp.where(x > 0, 1 / x, jnp.inf))
    assert snn.sweep(silent, dict(x=np.arange(4.0))).best("n") == dict(x=0)


@pytest.mark.parametrize("dtype", [jnp.uint8, bool, int])
def test_the_largest_of_any_numbers(dtype):
    found = snn.sweep(lambda x: x.astype(dtype), dict(x=np.arange(-1.0, 1.0) + 1))
    assert found.best(largest=True) == dict(x=1) and found.best() == dict(x=0)


def equal(a, b):
    for name, x in a.arrays.items():
        np.testing.assert_array_equal(b.arrays[name], x)
        assert b[name].dims == a[name].dims and b.arrays[name].dtype == x.dtype
    for name, x in a.coords.items():
        np.testing.assert_array_equal(b.coords[name], x)
    assert b.made == a.made and b.points.dims == a.points.dims
    number_and_reason = lambda f: (f.number, f.reason, f.parameters.get("x"))
    assert list(map(number_and_reason, b.failed)) == list(map(number_and_reason, a.failed))
    np.testing.assert_array_equal(b.points.numbers, a.points.numbers)


@pytest.mark.parametrize("end", [".npz", ".nc"])
def test_files(tmp_path, result, end):
    path = tmp_path / f"s{end}"
    if end == ".nc":
        pytest.importorskip("xarray", reason="netCDF is written by the extra snnjax[sweep]")
    sweeps.save(path, result)
    equal(result, sweeps.load(path))
    part = result.sel(a=2.0, kind="more")
    sweeps.save(path, part)
    equal(part, sweeps.load(path))
    assert sweeps.load(path).at == part.at
    cut = lambda key, x, c: (
        jnp.where(x < 1, jnp.nan, x * c.sum()) + jax.random.key_data(key)[1]
    )
    keys = jax.random.split(jax.random.key(0), 3)
    points = sweeps.zipped(key=keys, x=np.arange(3.0), c=np.ones((3, 2)))
    odd = snn.sweep(cut, points.part([2, 0]))
    sweeps.save(path, odd)
    back = sweeps.load(path)
    equal(odd, back)
    np.testing.assert_array_equal(back.points.axes["c"].values, np.ones((2, 2)))
    again = snn.sweep(cut, back.points)
    np.testing.assert_array_equal(again["value"].values, odd["value"].values)


def test_netcdf_keeps_the_types_it_has_no_place_for(tmp_path):
    pytest.importorskip("xarray", reason="netCDF is written by the extra snnjax[sweep]")
    kinds = lambda n: dict(i=n, u=n.astype(jnp.uint8), b=n > 1, f=n.astype(jnp.float32))
    whole = snn.sweep(kinds, dict(n=np.arange(3)))
    sweeps.save(tmp_path / "s.nc", whole)
    equal(whole, sweeps.load(tmp_path / "s.nc"))
    assert sweeps.load(tmp_path / "s.nc").coords["n"].dtype == whole.coords["n"].dtype
    with pytest.raises(ValueError, match=r"no place for .*'f': 'complex.*\.npz"):
        sweeps.save(tmp_path / "c.nc", snn.sweep(lambda n: dict(f=n * 1j), dict(n=[1.0])))


def test_files_of_another_kind(tmp_path, result):
    np.savez(tmp_path / "s.npz", a=1)
    with pytest.raises(ValueError, match=r"s\.npz is not a file of snn\.sweeps\.save"):
        sweeps.load(tmp_path / "s.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz or \.nc"):
        sweeps.save(tmp_path / "s.mat", result)


def test_xarray(result):
    pytest.importorskip("xarray", reason="an extra: snnjax[sweep]")
    data = result.to_xarray()
    found = data["z"].sel(a=2.0, kind="more")
    np.testing.assert_array_equal(found, result.sel(a=2.0, kind="more")["z"].values)
    assert data["t"].dims == ("a", "b", "kind", "t_0") and "jax" in data.attrs["made"]
    both = snn.sweep(lambda a: dict(a=2 * a), dict(a=np.arange(3.0)))
    with pytest.raises(ValueError, match="'a' is a parameter and a result"):
        both.to_xarray()


def test_without_xarray_it_is_said(result, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(ImportError, match=r"snnjax\[sweep\]"):
        result.to_xarray()


def test_it_prints(result):
    text = repr(result)
    assert "a: 4, b: 5, kind: 2" in text and "0 to 33" in text and "40 points" in text
    np.testing.assert_array_equal(np.asarray(result["z"]), result["z"].values)
    with pytest.raises(TypeError):
        result["z"][0]  # nor the first of its fields
