"""Checks of what users give, and parameters that state their own bounds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import snnjax as snn
from snnjax.core import checks
from snnjax.core.parameters import parameter, parameters


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (1, "float64"),
        (True, "float64"),
        ([1, 2], "float64"),
        (np.arange(3), "float64"),
        (1.5, "float64"),
        (np.float32(1.5), "float64"),  # a NumPy scalar is a number, not an array
        (np.ones(2, np.float32), "float32"),
        (jnp.ones(2, jnp.bfloat16), "bfloat16"),
        (jnp.float32(1.5), "float32"),
    ],
)
def test_as_float_promotes_numbers_and_keeps_arrays(x, dtype):
    y = checks.as_float(x)
    assert y.dtype == dtype and not y.weak_type
    np.testing.assert_array_equal(y, x)


def test_as_float_without_float64():
    with jax.enable_x64(False):
        assert checks.as_float(1).dtype == jnp.float32


REFUSALS = {
    "A.b must be a number or an array in mV, got 'x'.": lambda: checks.finite(
        "x", "A.b", "mV"
    ),
    "A.b must be finite in mV, got [ 1. nan].": lambda: checks.finite(
        [1, np.nan], "A.b", "mV"
    ),
    "A.b must be finite, got inf.": lambda: checks.finite(np.inf, "A.b"),
    "A.b must be above 0 ms, got 0.0.": lambda: checks.positive(0, "A.b", "ms"),
    "A.b must be above 2.5, got 2.0.": lambda: checks.above(2, 2.5, "A.b"),
    "A.b must be at least 0 ms, got [ 1. -1.].": lambda: checks.at_least(
        [1, -1], 0, "A.b", "ms"
    ),
    "A.b must be at most 1, got 2.0.": lambda: checks.at_most(2, 1, "A.b"),
    "A.b must be one of ['sine', 'ramp'], got 'sin'. Did you mean 'sine'?": (
        lambda: checks.one_of("sin", ["sine", "ramp"], "A.b")
    ),
    "A.b must be a whole number above 0, got 2.5.": lambda: checks.count(2.5, "A.b"),
    "A.b must be a whole number above 0, got 0.": lambda: checks.count(0, "A.b"),
    "A.b must be a whole number above 0, got '3'.": lambda: checks.count("3", "A.b"),
    "A.b must be a whole number above 0, got inf.": lambda: checks.count(np.inf, "A.b"),
    "A.b must be one of ['sine'], got 3.": lambda: checks.one_of(3, ["sine"], "A.b"),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_refusals_name_argument_unit_value_and_way_out(message):
    with pytest.raises(ValueError) as caught:
        REFUSALS[message]()
    assert str(caught.value) == message


def test_what_is_in_order_passes_as_floats():
    for check in (checks.finite, checks.positive):
        assert check(3, "A.b").dtype == jnp.float64
    assert checks.at_least(0, 0, "A.b") == 0 and checks.at_most(0, 0, "A.b") == 0
    assert checks.one_of("a", iter("ab"), "A.b") == "a"
    assert checks.count(3.0, "A.b") == 3 and isinstance(checks.count(3.0, "A.b"), int)


def test_traced_values_are_let_through():
    assert jax.jit(lambda x: checks.positive(x, "x"))(-1.0) == -1
    assert not checks.is_traced((1.0, np.ones(2), jnp.ones(2)))
    seen = []
    jax.jit(lambda x: seen.append(checks.is_traced([1.0, x])))(1.0)
    jax.vmap(lambda x: seen.append(checks.is_traced({"a": x})))(jnp.ones(2))
    assert seen == [True, True]


@given(st.integers(0, 10**6), st.sampled_from([0.1, 0.025, 1 / 3, 0.01, 1.0, 2.5]))
def test_whole_steps_are_counted_in_spite_of_rounding(n, dt):
    assert checks.whole_steps(n * dt, dt, "duration") == n
    with pytest.raises(
        ValueError, match=r"duration=.* ms must be a whole number of steps of"
    ):
        checks.whole_steps((n + 0.3) * dt, dt, "duration")


def test_whole_steps_of_float32_values():
    for dt in (np.float32(0.1), jnp.float32(0.1)):
        assert checks.whole_steps(10_000.0, dt, "duration") == 100_000
    assert checks.whole_steps(np.float32(4544.7), 0.1, "duration") == 45447


def test_raise_if_raises_the_message_that_applies_and_lets_keys_by():
    @eqx.filter_jit
    def run(which):
        tree = {"x": jnp.ones(2), "key": jax.random.key(0), "none": None, "word": "a"}
        return checks.raise_if(tree, which >= 0, which, ["first", "second"])

    back = run(jnp.int32(-1))
    assert back["word"] == "a" and checks.is_key(back["key"])
    with pytest.raises(eqx.EquinoxRuntimeError, match="second"):
        run(jnp.int32(1))


# Parameters


class Part(eqx.Module):
    a: object = parameter(1.0, "mV", at_least=-2, at_most=3)
    b: object = parameter(None, "ms")
    c: object = parameter(2, per_neuron=False)


class Whole(snn.AbstractDynamics):
    parts: dict
    more: list
    tau: object = parameter((1.0, 2.0), "ms", above=0)

    def init(self, shape=(), *, key=None, dt=None):
        return ()

    def step(self, state, input, dt):
        return state, input


def test_parameters_are_found_by_dotted_name_in_all_parts():
    whole = Whole({"x": Part()}, [Part(b=3), (Part(),)])
    found = {name: (value, spec) for name, value, spec in parameters(whole)}
    assert set(found) == {
        "tau", "parts.x.a", "parts.x.c", "more.0.a", "more.0.b", "more.0.c", "more.1.0.a",
        "more.1.0.c",
    }  # fmt: skip
    assert str(found["more.0.a"][1]) == "mV at least -2 at most 3"
    assert str(found["more.0.c"][1]) == "dimensionless"
    assert str(found["tau"][1]) == "ms above 0"
    assert found["more.0.b"][0].dtype == jnp.float64 and not found["more.0.c"][1].per_neuron


def test_parameters_are_checked_where_they_are_declared():
    with pytest.raises(ValueError, match=r"Whole\.tau must be above 0 ms, got \[1\. 0\.\]"):
        Whole({}, [], tau=[1, 0])
    with pytest.raises(
        ValueError, match=r"Whole has no parameter 'tua'. Did you mean 'tau'"
    ):
        Whole({}, [], tua=1)
    assert Whole({}, [], tau=[1, 2]).tau.dtype == jnp.float64


@pytest.mark.parametrize(
    ("value", "bad"),
    [(1, False), (-2, False), (3, False), (-2.1, True), (3.1, True), (np.nan, True)],
)
def test_violations_of_traced_values(value, bad):
    (_, _, spec), *_ = parameters(Part())
    assert bool(jax.jit(spec.violated)(jnp.array([0.0, value]))) == bad
    above = next(parameters(Whole({}, [])))[2]
    assert bool(above.violated(jnp.asarray(0.0))) and not bool(
        above.violated(jnp.asarray(0.1))
    )
