"""Digits by local learning, and the parts that are there for it."""

import runpy
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.plasticity import HardBounds, NoBounds, OffsetSTDP, replay

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "plasticity" / "digits.py"


def test_offset_stdp_is_the_published_equation():
    rng = np.random.default_rng(0)
    pre, post = (rng.random((300, n)) < 0.05 for n in (4, 3))
    rule = OffsetSTDP(0.02, 0.3, 15.0, NoBounds())
    w = replay(rule, pre * 1.0, post * 1.0, 0.5).weights
    expected = np.zeros((4, 3))
    for i, j in np.ndindex(4, 3):
        for t in np.flatnonzero(post[:, j]):
            before = np.flatnonzero(pre[: t + 1, i])
            x = np.exp(-(t - before[-1]) * 0.5 / 15) if before.size else 0.0
            expected[i, j] += 0.02 * (x - 0.3)
    np.testing.assert_allclose(w, expected, rtol=1e-12)
    cut = replay(OffsetSTDP(0.02, 0.3, 15.0, HardBounds(0, 0.05)), pre, post, 0.5).weights
    assert float(cut.min()) >= 0 and float(cut.max()) == pytest.approx(0.05)


def test_a_relay_fires_what_it_is_told():
    spikes = np.random.default_rng(1).integers(0, 2, (20, 3, 4)).astype(float)
    net = snn.Network(dict(image=snn.Population(snn.networks.Relay(), 4)))
    sol = snn.simulate(net, {"image": spikes}, 1.0, shape=(3,))
    np.testing.assert_array_equal(sol.ys, spikes)
    assert not snn.simulate(net, {}, 1.0, n_steps=3).ys.any()


def test_a_few_digits(capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    assert main(cells=20, epochs=1) > 0.4  # by chance 0.1
    assert "20 cells, stdp:" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("cells", [100, 400])
def test_digits_are_told_apart(cells):
    main = runpy.run_path(str(SCRIPT))["main"]
    assert main(cells=cells) > 0.85


@pytest.mark.slow
def test_a_batch_does_not_collapse_the_accuracy():
    main = runpy.run_path(str(SCRIPT))["main"]
    assert main(batch=1) > 0.8 and main(batch=60) > 0.8


@pytest.mark.slow
def test_the_same_network_by_gradient():
    assert runpy.run_path(str(SCRIPT))["main"](rule="bptt", epochs=3) > 0.8


def test_figures():
    ax = snn.plot.stdp_window(snn.plasticity.STDP(bounds=NoBounds()), reach=40.0)
    gap, change = ax.lines[0].get_data()
    assert gap[0] == -40 and gap[-1] == 40
    expected = np.where(gap > 0, 0.01 * np.exp(-gap / 20), -0.012 * np.exp(gap / 20))
    np.testing.assert_allclose(change, np.where(gap == 0, 0, expected), atol=1e-9)
    fields = jnp.arange(5 * 3 * 2.0).reshape(5, 3, 2)
    mosaic = snn.plot.receptive_fields(fields).images[0].get_array()
    assert mosaic.shape == (2 * 4 - 1, 3 * 3 - 1)
    np.testing.assert_allclose(mosaic[:3, :2], np.arange(6).reshape(3, 2) / 5)
    with pytest.raises(ValueError, match=r"must be \[cells, height, width\]"):
        snn.plot.receptive_fields(jnp.zeros((3, 4)))
