"""The field's benchmark networks: their statistics beside those of Brian2 and NEST."""

import copy

import jax
import numpy as np
import pytest
from click.testing import CliRunner

import snnjax as snn
from snnjax.cli import main
from snnjax.networks import verify

FAST = ["izhikevich_1000", "cuba_4000", "coba_4000"]
SLOW = ["izhikevich_4000", "cuba_delays", "cuba_16000", "cobahh", "brunel_ai"]


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_statistics_are_those_of_other_simulators(name):
    """With a confidence of 99 % for all comparisons of a network, beyond stated tolerances."""
    runs = [verify.measured(name, seed) for seed in range(2)]
    peers = verify.references()[name]["peers"]
    asked = verify.compared(name)
    looked_at = 0
    for group, statistic in asked:
        values = [getattr(run[group], statistic) for run in runs]
        for peer in peers.values():
            among = len(asked) * len(peers)
            found = verify.compare(values, statistic, peer, group, 1.0, among)
            if found is not None:
                looked_at += 1
                assert found.ok, (group, statistic, found)
    assert looked_at >= 4


def test_a_bump_stays_where_it_was_cued():
    network, inputs, _ = snn.networks.ring_attractor(90.0, key=jax.random.key(0))
    record = snn.SpikeCount(of="exc", every=1000)
    run = dict(duration=1300.0, skip=300.0, record=record)
    counts = np.asarray(snn.simulate(network, inputs, 0.1, **run).ys)
    angle, sharpness = map(np.asarray, snn.networks.direction(counts))
    assert sharpness.min() > 0.8
    assert np.abs((angle - 90.0 + 180) % 360 - 180).max() < 25  # degrees, over 1 s
    silent, inputs, _ = snn.networks.ring_attractor(None, key=jax.random.key(0))
    counts = np.asarray(snn.simulate(silent, inputs, 0.1, **run).ys)
    assert counts.max(1).mean() < 5  # without a cue there is no bump


def test_verify_prints_a_table_and_passes():
    result = CliRunner().invoke(main, ["verify", "izhikevich_1000", "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert "izhikevich_1000" in result.output and "brian2" in result.output
    assert "DIFFERS" not in result.output


def test_verify_fails_where_a_statistic_differs(monkeypatch):
    stored = copy.deepcopy(verify.references())
    for peer in stored["izhikevich_1000"]["peers"].values():
        peer["statistics"]["all"]["rate"][0] *= 1.5
    monkeypatch.setattr(verify, "references", lambda: stored)
    result = CliRunner().invoke(main, ["verify", "izhikevich_1000", "--seeds", "1"])
    assert result.exit_code == 1
    assert "izhikevich_1000 all rate" in result.output


def test_verify_suggests_the_nearest_name():
    result = CliRunner().invoke(main, ["verify", "cuba_400"])
    assert result.exit_code == 2
    assert "cuba_4000" in result.output
