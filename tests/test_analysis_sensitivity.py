"""Sensitivities against closed forms and finite differences."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax import inputs
from snnjax.analysis import sensitivities
from snnjax.measures import ap_features


def v_end(model):
    return snn.simulate(model, inputs.constant(120.0), 0.5, duration=10.0).final.v


def test_subthreshold_voltage_of_the_lif_has_the_slopes_of_its_closed_form():
    table = sensitivities(v_end, snn.LIF())
    rise = -np.expm1(-1.0)
    assert table.of() == pytest.approx(
        {
            "tau_m": -12.0 * np.exp(-1.0) / 10.0,
            "g_l": -12.0 / 10.0 * rise,
            "e_l": 1.0,
            "threshold.level": 0.0,
            "threshold.surrogate.beta": 0.0,
            "v_reset": 0.0,
            "t_ref": 0.0,
        },
        abs=1e-12,
    )
    row = next(r for r in table if r.parameter == "g_l")
    v = -75.0 + 12.0 * rise
    assert (row.feature, row.unit, row.at) == ("v_end", "nS", 10.0)
    assert row.value == pytest.approx(v)
    assert row.elasticity == pytest.approx(row.slope * 10.0 / v)


def test_spike_shape_of_hodgkin_huxley_against_finite_differences():
    names = ["g_na", "e_k", "c", "temperature"]

    def shape(model):
        pulse = inputs.step(20.0, 1.0, 2.0)
        v = snn.simulate(model, pulse, 0.02, duration=8.0, record=snn.Trace("v")).ys
        found = ap_features(v, 0.02, base=-65.0)
        return {"peak": found.peak, "half_width": found.half_width}

    make = lambda x=(): snn.HodgkinHuxley(
        integrator=snn.RK4(), **dict(zip(names, x, strict=False))
    )
    table = sensitivities(shape, make(), which=names)
    assert [r.parameter for r in table] == names * 2
    at = np.array([120.0, -77.0, 1.0, 6.3])
    h = np.diag(1e-4 * np.abs(at))
    shapes = jax.jit(jax.vmap(lambda x: shape(make(x))))
    up, down = shapes(at + h), shapes(at - h)
    for row in table:
        k = names.index(row.parameter)
        numeric = (up[row.feature][k] - down[row.feature][k]) / (2 * h[k, k])
        assert row.slope == pytest.approx(float(numeric), rel=1e-4, abs=1e-8)
        assert row.slope != 0 and row.at == at[k]


def test_an_array_has_a_row_for_each_element():
    model = snn.LIF(tau_m=np.array([[5.0], [20.0]]))
    table = sensitivities(lambda m: jnp.sum(m.tau_m**2 * m.g_l), model, ["tau_m", "g_l"])
    assert [r.parameter for r in table] == ["tau_m[0,0]", "tau_m[1,0]", "g_l"]
    assert [r.slope for r in table] == pytest.approx([100.0, 400.0, 425.0])
    assert [r.elasticity for r in table] == pytest.approx(
        [2 * 25 / 425, 2 * 400 / 425, 1.0]
    )


def test_table_prints_and_is_written(tmp_path):
    table = sensitivities(
        lambda m: {"a": m.tau_m**2, "b": m.e_l}, snn.LIF(), ["tau_m", "e_l"]
    )
    assert str(table) == (
        "a = 100\n"
        "parameter  value  unit  slope  elasticity\n"
        "tau_m         10  ms       20           2\n"
        "e_l          -75  mV        0           0\n"
        "\n"
        "b = -75\n"
        "parameter  value  unit  slope  elasticity\n"
        "tau_m         10  ms        0           0\n"
        "e_l          -75  mV        1           1"
    )
    file = tmp_path / "table.csv"
    text = table.to_csv(file)
    assert file.read_text() == text
    read = list(csv.DictReader(text.splitlines()))
    assert [(r["feature"], r["parameter"], float(r["slope"])) for r in read] == [
        (r.feature, r.parameter, r.slope) for r in table
    ]
    assert table.to_dict()["elasticity"] == [r.elasticity for r in table]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"which must be one of .*Did you mean 'tau_m'"):
        sensitivities(v_end, snn.LIF(), "tau")
    with pytest.raises(ValueError, match="single numbers"):
        sensitivities(lambda m: m.tau_m, snn.LIF(tau_m=[1.0, 2.0]))
    table = sensitivities(lambda m: {"a": m.tau_m, "b": m.e_l}, snn.LIF(), "tau_m")
    with pytest.raises(ValueError, match="needs one of the features"):
        table.of()
    assert table.of("a") == {"tau_m": 1.0}
