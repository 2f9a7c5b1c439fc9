"""Models and run states on disk."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn


def bits(tree):
    open_key = lambda x: (
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    )
    return [np.asarray(open_key(x)) for x in jax.tree.leaves(tree)]


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(bits(a), bits(b), strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype == y.dtype


@pytest.mark.parametrize("name", ["lif.eqx", "lif", "lif.2026", "a.b.c"])
def test_a_model_comes_back_bit_for_bit(name, tmp_path):
    lif = snn.LIF(
        tau_m=np.linspace(5, 20, 7) / 3, threshold=snn.Threshold(-50.0, snn.Arctan(0.1))
    )
    snn.save(tmp_path / name, lif)
    like = snn.LIF(tau_m=np.ones(7), threshold=snn.Threshold(0.0, snn.Arctan()))
    same(snn.load(str(tmp_path / name), like), lif)
    assert [p.name for p in tmp_path.iterdir()] == [name]  # and nothing else


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_random_keys_come_back(impl, tmp_path):
    tree = {
        "key": jax.random.key(5, impl=impl),
        "keys": jax.random.split(jax.random.key(1), 3),
    }
    snn.save(tmp_path / "keys", tree)
    like = {
        "key": jax.random.key(0, impl=impl),
        "keys": jax.random.split(jax.random.key(0), 3),
    }
    back = snn.load(tmp_path / "keys", like)
    same(back, tree)
    assert jax.random.normal(back["key"]) == jax.random.normal(tree["key"])


def test_small_dtypes_and_optimiser_state_come_back(tmp_path):
    tree = (jnp.arange(3, dtype=jnp.bfloat16), jnp.array(True), jnp.int32(7), None, 2.5)
    snn.save(tmp_path / "x", tree)
    back = snn.load(
        tmp_path / "x",
        (jnp.zeros(3, jnp.bfloat16), jnp.array(False), jnp.int32(0), None, 0.0),
    )
    assert back[4] == 2.5
    same(back[:4], tree[:4])


def test_refuses_a_file_of_another_model(tmp_path):
    path = tmp_path / "lif"
    snn.save(path, snn.LIF(tau_m=[1.0, 2.0]))
    words = "lif does not hold a LIF of this shape"
    with pytest.raises(ValueError, match=words):
        snn.load(path, snn.LIF())
    with pytest.raises(ValueError, match=words):
        snn.load(
            path, jax.tree.map(lambda x: x.astype(jnp.float32), snn.LIF(tau_m=[1.0, 2.0]))
        )
    with pytest.raises(ValueError, match="does not hold a dict"):  # more than is there
        snn.load(path, {"a": snn.LIF(tau_m=[1.0, 2.0]), "b": jnp.ones(3)})
    with pytest.raises(ValueError, match="the file holds more arrays"):
        snn.load(path, [jnp.ones(()), jnp.ones(())])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=words):
        snn.load(path, snn.LIF(tau_m=[1.0, 2.0]))
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=words):
        snn.load(path, snn.LIF())
    with pytest.raises(FileNotFoundError):
        snn.load(tmp_path / "none", snn.LIF())


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path, old = tmp_path / "lif", snn.LIF(tau_m=7.0)
    snn.save(path, old)

    def fail(file, tree):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(eqx, "tree_serialise_leaves", fail)
    with pytest.raises(OSError, match="disk full"):
        snn.save(path, snn.LIF(tau_m=8.0))
    same(snn.load(path, snn.LIF()), old)
