"""What networks refuse, and the way out that they name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import snnjax as snn
from snnjax.connect import (
    AllToAll,
    Edges,
    FixedInDegree,
    FromArrays,
    OneToOne,
    PairwiseBernoulli,
)
from snnjax.networks import Network, Population, Projection
from snnjax.synapses import Delta, Exponential, Graded

DT = 0.1


def cells(**changes):
    receptors = dict(ampa=Exponential(5.0), gaba=Exponential(10.0))
    given = dict(neuron=snn.LIF(), size=5, receptors=receptors, parts=dict(exc=3, inh=2))
    return Population(**{**given, **changes})


def network(*projections, key=None, **populations):
    return Network({"cells": cells(), **populations}, projections, key=key)


def to_cells(source="exc", target="cells", wiring=None, weight=1.0, delay=None, **options):
    wiring = AllToAll() if wiring is None else wiring
    return Projection(
        source, target, wiring, weight, delay, **{"receptor": "ampa", **options}
    )


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: cells(size=0), "Population.size must be a whole number above 0"),
        (lambda: cells(parts=dict(exc=3, inh=3)), "parts .* must add up to size=5"),
        (lambda: cells(parts=dict(exc=2.5, inh=2.5)), "parts"),
        (lambda: cells(parts=dict(exc=6, inh=-1)), "parts"),
        (lambda: cells(neuron=snn.LeakyIntegrator()), "must give spikes, which Leaky"),
        (lambda: cells(neuron=snn.LIF), "Write LIF()"),
        (
            lambda: cells(receptors=dict(ampa=5.0)),
            r"receptors\['ampa'\] must be a receptor",
        ),
        (lambda: cells(receptors={"a.b": Delta()}), "without a dot"),
        (lambda: cells(receptors={"": Delta()}), "name"),
        (lambda: Network({}), "at least one population"),
        (lambda: Network([cells()]), "must be a dict"),
        (lambda: Network(dict(a=snn.LIF())), r"populations\['a'\] must be a Population"),
        (lambda: Network({"a.b": cells()}), "without a dot"),
        (lambda: Network({"": cells()}), "name"),
        (lambda: network(cells2=cells()), "'exc' of a population or part must"),
        (lambda: Network(dict(exc=cells())), "'exc' of a population or part must"),
        (lambda: Network(dict(a=cells()), to_cells()), "must be a list"),
        (lambda: network(AllToAll()), r"projections\[0\] must be a Projection"),
        (lambda: network(to_cells("ex")), "Projection.source='ex'.*Did you mean 'exc'"),
        (lambda: network(to_cells(target="cell")), "target='cell'.*Did you mean 'cells'"),
        (
            lambda: network(to_cells(receptor="amp")),
            "'amp'.*Did you mean 'ampa'.*ampa, gaba",
        ),
        (lambda: network(to_cells(receptor=None)), "must be given.*ampa, gaba"),
        (lambda: network(to_cells(name="a"), to_cells(name="a")), "'a' must be unique"),
        (lambda: network(to_cells(operator="densee")), "Did you mean 'dense'"),
        (lambda: network(to_cells(wiring=OneToOne())), "OneToOne .* n_pre=3 and n_post=5"),
        (lambda: network(to_cells(wiring=Edges([0], [0], 4, 5))), "joins 3 to 5 .* 4 to 5"),
        (lambda: network(to_cells(wiring=FromArrays([3], [0]))), "from 0 to 2, got 3"),
        (lambda: network(to_cells(wiring=0.1)), "wiring must be a rule such as"),
        (lambda: network(to_cells(wiring=AllToAll)), "wiring must be a rule such as"),
        (lambda: network(to_cells(wiring=PairwiseBernoulli(0.1))), "give it key"),
        (
            lambda: network(
                to_cells(wiring=FixedInDegree(9, multapses=False)), key=jax.random.key(0)
            ),
            "9",
        ),
        (lambda: network(to_cells(weight=np.ones(4))), "weight must be .* 15 synapses"),
        (lambda: network(to_cells(weight=np.nan)), "weight must be finite"),
        (lambda: network(to_cells(weight="a")), "weight must be a number"),
        (lambda: network(to_cells(delay=np.ones((3, 4)))), "delay must be .* 15 synapses"),
        (lambda: network(to_cells(delay=0.0)), "delay must be above 0 ms"),
        (lambda: network(to_cells(delay=-1.0)), "delay must be above 0 ms"),
        (lambda: network(to_cells(delay=2.0, max_delay=1.0)), "max_delay=1 ms is below"),
        (lambda: network(to_cells(delay=np.ones(15), operator="dense")), "Use 'sparse'"),
        (lambda: network(to_cells(weight=np.ones(15), operator="counts")), "Use 'sparse'"),
        (
            lambda: network(
                to_cells(wiring=Edges([0] * 200, [0] * 200, 3, 5), operator="counts")
            ),
            "at most 127",
        ),
        (lambda: network(to_cells(release=Exponential())), "release must be a release"),
    ],
)
def test_what_does_not_fit_is_refused_when_built(build, says):
    with pytest.raises(ValueError, match=says):
        build()


def noise(n=5, **options):
    return Population(snn.inputs.poisson(10.0, key=jax.random.key(0), **options), n)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: noise(), r"shape \(\), .* make the input with shape=\(5,\)"),
        (lambda: noise(shape=(4,)), r"shape \(4,\)"),
        (
            lambda: network(to_cells(target="noise"), noise=noise(shape=(5,))),
            "no receptors",
        ),
        (
            lambda: network(to_cells("noise", release=Graded()), noise=noise(shape=(5,))),
            "potential",
        ),
    ],
)
def test_sources_have_a_size_no_receptors_and_no_potential(build, says):
    with pytest.raises(ValueError, match=says):
        build()


@pytest.mark.parametrize(
    ("net", "options", "says"),
    [
        (
            lambda: network(to_cells(delay=0.05)),
            dict(dt=DT),
            "0.05 ms, below dt=0.1 ms.*smaller dt",
        ),
        (lambda: network(to_cells(delay=0.5)), {}, r"init needs dt \(ms\)"),
        (
            lambda: Network(dict(a=cells(neuron=snn.LIF(tau_m=jnp.ones(4))))),
            dict(dt=DT),
            "tau_m",
        ),
        (
            lambda: Network(dict(a=cells(neuron=snn.LIF(tau_m=jnp.ones((2, 5)))))),
            dict(dt=DT),
            "size=5",
        ),
        (
            lambda: Network(dict(a=cells(receptors=Exponential(jnp.ones(4))))),
            dict(dt=DT),
            "tau_syn",
        ),
        (
            lambda: Network(dict(a=cells(receptors=dict(v=Delta())))),
            dict(dt=DT),
            "not be named.* v",
        ),
    ],
)
def test_what_does_not_fit_is_refused_at_the_start(net, options, says):
    with pytest.raises(ValueError, match=says):
        net().init(**options)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (1.0, "dict by name"),
        (dict(cels=1.0), "Did you mean 'cells'"),
        ({"cells.amp": 1.0}, "'amp'.*Did you mean 'ampa'"),
        ({"cells.": 1.0}, "''"),
        (dict(exc=jnp.ones((10, 4))), "one value a neuron for 3 neurons"),
        (dict(noise=1.0), "noise.*spikes of its own"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, says):
    net = network(noise=noise(shape=(5,)))
    with pytest.raises(ValueError, match=says):
        snn.simulate(net, inputs, DT, n_steps=10)


@pytest.mark.parametrize("what", ["cel.v", "exc.w", "cells.amp.s", "x"])
def test_what_is_not_there_is_not_recorded(what):
    with pytest.raises(ValueError, match="There is no"):
        snn.simulate(network(), {}, DT, n_steps=2, record=snn.Trace(what))


def test_the_state_itself_can_be_recorded():
    ys = snn.simulate(
        network(), {}, DT, n_steps=2, record=snn.Trace("step", "overflowed")
    ).ys
    np.testing.assert_array_equal(ys["step"], [1, 2])


def test_a_state_of_another_network_is_refused():
    sol = snn.simulate(network(to_cells(delay=0.5)), {}, DT, n_steps=5)
    with pytest.raises(ValueError, match="state"):
        snn.simulate(network(to_cells(delay=2.0)), {}, DT, n_steps=5, state=sol.state)
    with pytest.raises(ValueError, match="state"):
        snn.simulate(network(to_cells(delay=0.5)), {}, DT / 2, n_steps=5, state=sol.state)
