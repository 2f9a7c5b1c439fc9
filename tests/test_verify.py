"""`snnjax verify`: what agrees passes, what does not fails and is named."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from snnjax.cli import main
from snnjax.cli import verify as command
from snnjax.measures import PopulationStatistics
from snnjax.networks import verify

NAME = "izhikevich_1000"


def call(*arguments):
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


@pytest.fixture
def made_up(monkeypatch):
    """Statistics without a run: the stored means, but for what is set by population."""
    told, asked = {}, []

    def measured(name, seed, duration=None, peer=""):
        asked.append((name, peer))
        found = {}
        for group, stored in verify.any_peer(name)["statistics"].items():
            means = {k: np.nan if x is None else x[0] for k, x in stored.items()}
            found[group] = PopulationStatistics(**means)._replace(**told.get(group, {}))
        return found

    monkeypatch.setattr(verify, "measured", measured)
    told["asked"] = asked
    return told


def test_a_real_run():
    result = call("izhikevich-1000", "--seeds", 1, "--duration", 400)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["network", "statistic", "snnjax", "brian2", "nest", "theory"]
    assert [row[1:3] for row in rows[1:4]] == [[x, "rate"] for x in ("all", "exc", "inh")]
    assert all(6 < float(row[4]) < 9 for row in rows[1:4])
    assert "3 statistics, 1 seed" in result.stdout  # a shorter run has rates only


def test_what_agrees_passes(made_up):
    result = call(NAME, "--seeds", 4)
    assert result.exit_code == 0, result.output
    assert "DIFFERS" not in result.stdout and "5 statistics, 4 seeds" in result.stdout


@pytest.mark.parametrize(
    ("group", "change", "named"),
    [
        ("exc", dict(rate=8.6), f"{NAME} exc rate"),
        ("all", dict(cv=0.45), f"{NAME} all cv"),
        ("all", dict(correlation=0.1), f"{NAME} all correlation"),
        ("all", dict(cv=np.nan), f"{NAME} all cv"),
    ],
)
def test_what_differs_fails(made_up, group, change, named):
    made_up[group] = change
    result = call(NAME, "--seeds", 4)
    assert result.exit_code == 1
    assert result.stdout.count("DIFFERS") == 1
    assert result.stderr == f"Error: 1 differ: {named}.\n"


def test_a_network_is_run_as_brian2_counts_steps_where_that_matters(made_up):
    result = call("coba_4000", NAME, "--seeds", 1)
    assert made_up["asked"] == [("coba_4000", ""), ("coba_4000", "brian2"), (NAME, "")]
    assert " *" in result.stdout and "refractory for a step less" in result.stdout
    assert "refractory" not in call(NAME).stdout


def test_theory_is_a_column(made_up, monkeypatch):
    rate = verify.any_peer(NAME)["statistics"]["all"]["rate"][0]
    monkeypatch.setitem(command.THEORY, NAME, lambda: 1.02 * rate)
    assert call(NAME).exit_code == 0
    monkeypatch.setitem(command.THEORY, NAME, lambda: 1.1 * rate)
    result = call(NAME)
    assert result.exit_code == 1 and f"{NAME} all rate" in result.stderr


def test_theory_of_brunels_network():
    assert command.brunel_ai() == pytest.approx(37.9, abs=0.5)


def test_a_bar_if_asked_for(made_up):
    assert "verify" not in call(NAME).stderr
    assert "3/3" in call(NAME, "--progress").stderr


def test_a_wrong_name_and_a_wrong_number():
    result = call("izhikevic_1000")
    assert result.exit_code == 2 and f"Did you mean '{NAME}'?" in result.stderr
    assert call(NAME, "--seeds", 0).exit_code == 2
    assert call(NAME, "--duration", -1).exit_code == 2


# The comparison


def peer(n, **statistics):
    return dict(seeds=list(range(n)), statistics=dict(all=statistics))


def test_errors_are_those_of_students_t():
    values = [5.1, 5.4, 5.2, 5.6]
    found = verify.compare(values, "rate", peer(10, rate=[5.0, 0.2]), "all", 1.0, 1)
    t = stats.ttest_ind_from_stats(np.mean(values), np.std(values, ddof=1), 4, 5.0, 0.2, 10)
    assert found.errors == pytest.approx(t.statistic)


def test_the_confidence_is_kept(monkeypatch):
    """Without tolerance, of comparisons of equals as many fail as is said."""
    monkeypatch.setitem(verify.TOLERANCE, "rate", 0.0)
    rng, failed = np.random.default_rng(0), 0
    for _ in range(2000):
        theirs, ours = rng.normal(5.0, 0.2, 5), rng.normal(5.0, 0.2, 3)
        stored = peer(5, rate=[theirs.mean(), theirs.std(ddof=1)])
        failed += not verify.compare(ours, "rate", stored, "all", 1.0, 1).ok
    assert 5 < failed < 40  # 20 expected


def test_one_run_and_a_shorter_one_have_an_error_of_their_own():
    whole, short = (
        verify.compare([5.5], "rate", peer(5, rate=[5.0, 0.2]), "all", share, 1).errors
        for share in (1.0, 0.25)
    )
    assert whole == pytest.approx(0.5 / (0.2 * np.sqrt(1 + 1 / 5)))
    assert short == pytest.approx(0.5 / (0.2 * np.sqrt(4 + 1 / 5)))


def test_statistics_that_do_not_vary_are_compared_too():
    stored = peer(3, rate=[5.0, 0.0])
    same, near, far = (
        verify.compare([x, x], "rate", stored, "all", 1.0, 1) for x in (5.0, 5.01, 9.0)
    )
    assert same.ok and same.errors == 0
    assert near.ok and near.errors == np.inf  # within the tolerance
    assert not far.ok


def test_what_a_peer_does_not_have_is_not_compared():
    assert verify.compare([0.4], "cv", peer(2, cv=None), "all", 1.0, 1) is None


def test_every_stored_network_can_be_run():
    for name, stored in verify.references().items():
        assert name in verify.NETWORKS
        assert len({tuple(p["statistics"]) for p in stored["peers"].values()}) == 1
