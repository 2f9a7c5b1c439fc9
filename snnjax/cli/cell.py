"""One cell as the command line describes it: the model, its input, how long and how finely."""

from typing import Any, NamedTuple

import click
import equinox as eqx
import jax

from snnjax.cli import discover
from snnjax.cli.values import values
from snnjax.core.base import AbstractDynamics
from snnjax.core.checks import whole_steps
from snnjax.core.neuron import AbstractNeuron
from snnjax.inputs import step


class Cell(NamedTuple):
    """What `cell_options` gave, looked up and checked."""

    recipe: discover.Recipe
    values: dict[str, Any]
    integrator: Any
    current: float
    start: float
    stop: float | None
    dt: float
    n_steps: int
    key: Any

    @classmethod
    def of(
        cls, model, preset, settings, integrator, current, start, stop, duration, dt, seed
    ) -> "Cell":
        """From the options, by their names."""
        found = discover.find_model(model)
        if not issubclass(found, AbstractNeuron):
            raise click.UsageError(
                f"{found.__name__} has no membrane to run in time: use it from Python."
            )
        recipe = discover.Recipe.of(found, preset)
        if integrator is not None:
            known = discover.schemes()
            integrator = known[discover.match(integrator, known, "integrator")]()
        if current and discover.input_unit(found) is None:
            raise click.UsageError(
                f"{found.__name__} is not driven by a current, so leave out --current. "
                f"{discover.input_sentence(found)}"
            )
        return cls(
            recipe,
            values(recipe, settings),
            integrator,
            current,
            start,
            stop,
            dt,
            whole_steps(duration, dt, "--duration"),
            jax.random.key(seed),
        )

    @property
    def name(self) -> str:
        """Of the model."""
        return self.recipe.model.__name__

    @property
    def unit(self) -> str:
        """Of the current."""
        return discover.input_unit(self.recipe.model) or ""

    def model(self, **changes: Any) -> AbstractDynamics:
        """An instance, with other values for some settings."""
        return self.recipe.build({**self.values, **changes}, self.integrator)

    def waveform(self, current: Any) -> Any:
        """The step of `current` in time."""
        return step(current, self.start, self.stop)

    def drive(self, model: AbstractDynamics, current: Any) -> Any:
        """What `model` is run with: the current, and no spikes where it has synapses."""
        state = eqx.filter_eval_shape(lambda m: m.init((), key=self.key), model)
        one = lambda m, s, x: m.step(s, x, self.dt)
        try:
            eqx.filter_eval_shape(one, model, state, 0.0)
        except TypeError:  # it takes a pair
            return self.waveform(current), 0.0
        return self.waveform(current)
