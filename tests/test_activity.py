"""`activity_report` names the layers that were planted silent and saturated."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn

STEPS, BATCH = 20, 6


@pytest.fixture(scope="module")
def inputs():
    x = jax.random.bernoulli(jax.random.key(1), 0.3, (STEPS, BATCH, 8))
    return x.astype(float)


def block(n_in, n_out, seed, bias=0.0, gain=2.0):
    linear = snn.Linear(n_in, n_out, key=jax.random.key(seed), gain=gain)
    linear = eqx.tree_at(lambda n: n.bias, linear, jnp.full(n_out, bias))
    return linear, snn.LIF.from_decay(0.8)


def test_healthy_layers_have_their_rates_and_no_remedy(inputs):
    net = snn.Sequential(*block(8, 12, 0), *block(12, 7, 1), snn.LeakyIntegrator())
    report = snn.activity_report(net, inputs, 0.5)
    layers = snn.unroll(net, inputs, 0.5, layers=True).layers
    assert [row.name for row in report] == ["layers.1", "layers.3"]
    for row in report:
        spikes = np.asarray(layers[row.name])
        counts = spikes.reshape(-1, spikes.shape[-1]).sum(0)
        most = STEPS * BATCH
        assert row.neurons == spikes.shape[-1]
        assert row.rate == pytest.approx(spikes.mean())
        assert row.rate_hz == pytest.approx(spikes.mean() / 0.5e-3)
        assert row.silent == pytest.approx(np.mean(counts == 0))
        assert row.saturated == pytest.approx(np.mean(counts >= 0.9 * most))
        assert row.remedy == ""
    assert report.silent == report.saturated == []
    assert list(report.to_dict()) == list(snn.LayerActivity._fields)
    lines = str(report).split("\n")
    assert len(lines) == 3 and lines[0].split()[:2] == ["layer", "neurons"]
    assert lines[1].split()[:3] == ["layers.1", "12", f"{report[0].rate:.4f}"]


def test_planted_layers_are_named_with_a_remedy(inputs):
    net = snn.Sequential(
        *block(8, 12, 0),
        snn.Residual(snn.Sequential(*block(12, 12, 1, bias=5.0))),
        *block(12, 10, 2, bias=-50.0),
        *block(10, 5, 3),
    )
    report = snn.activity_report(net, inputs)
    assert report.saturated == ["layers.2.inner.layers.1"]
    assert report.silent == ["layers.4", "layers.6"]
    healthy, full, silent, after = report
    assert healthy.remedy == ""
    assert full.saturated > 0.9 and "raise its threshold" in full.remedy
    assert silent.silent == 1 and "`initialise(model, inputs)`" in silent.remedy
    assert after.silent == 1 and "begin with layers.4." in after.remedy
    text = str(report)
    assert "layers.2.inner.layers.1 is saturated: " in text
    assert "layers.4 is silent: 100 % of its neurons never fire." in text


def test_a_graph_and_half_a_layer(inputs):
    """Six neurons of ten are pushed down: beyond the limit of one half, within that of 0.7."""
    linear, lif = block(8, 10, 0)
    linear = eqx.tree_at(
        lambda n: n.bias, linear, jnp.where(jnp.arange(10) < 6, -50.0, 0.3)
    )
    net = snn.Graph(
        {"a": (linear, "input"), "b": (lif, ["a", snn.Previous("c")]), "c": (None, "b")},
        output="b",
    )
    report = snn.activity_report(net, inputs)
    assert report.silent == ["nodes.b"] and report[0].silent == pytest.approx(0.6)
    assert snn.activity_report(net, inputs, limit=0.7).silent == []
    alone = snn.activity_report(net, inputs[:, 0], batch_axes=0)
    assert alone[0].neurons == 10 and alone.silent == ["nodes.b"]


@pytest.mark.parametrize(("t_ref", "dt"), [(2.0, 0.5), (1.2, 0.5), (None, 0.5), (3.0, 1.0)])
def test_saturation_is_relative_to_the_refractory_time(t_ref, dt):
    """Neurons driven far above threshold fire as soon as they may."""
    cells = snn.LIF(t_ref=t_ref)
    drive = jnp.full((60, 1, 3), 1.0) * jnp.array([1e6, 1e6, 0.0])
    row = snn.activity_report(cells, drive, dt)[0]
    spikes = np.asarray(snn.unroll(cells, drive, dt).outputs[:, 0, 0])
    period = np.diff(np.flatnonzero(spikes))[0]
    assert row.name == "" and row.saturated == pytest.approx(2 / 3)
    assert row.silent == pytest.approx(1 / 3)
    held = 0 if t_ref is None else int(np.ceil(t_ref / dt - 0.5))
    assert period == held + 1
    slower = drive * jnp.where(jnp.arange(60) % (period + 1) == 0, 1, 0)[:, None, None]
    assert snn.activity_report(cells, slower, dt)[0].saturated == 0
    assert "(whole) is saturated" in str(snn.activity_report(cells, drive, dt))


def test_activity_report_refuses(inputs):
    net = snn.Sequential(*block(8, 12, 0))
    with pytest.raises(ValueError, match=r"no spiking layer, among layers\.0"):
        snn.activity_report(snn.Sequential(net.layers[0]), inputs)
    with pytest.raises(ValueError, match=r"batch_axes=1 leaves no neurons in layers\.1"):
        snn.activity_report(net, inputs[:, 0])
    with pytest.raises(ValueError, match=r"activity_report\.limit must be at most 1"):
        snn.activity_report(net, inputs, limit=2.0)
    with pytest.raises(ValueError, match=r"activity_report\.model must be a model"):
        snn.activity_report(inputs, net)
