"""The one contract of all models: parameters plus a pure `step`."""

import abc
import inspect
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax
from jaxtyping import ArrayLike, Float

from snnjax.core.checks import nearest
from snnjax.core.parameters import check_parameters

S = TypeVar("S")


def require_model(x: Any, name: str) -> None:
    """Refuse an `x` that is no model, such as the class of one."""
    if isinstance(x, type) and issubclass(x, AbstractDynamics):
        raise ValueError(
            f"{name} must be an instance, got the class {x.__name__}. Write {x.__name__}()."
        )
    if not isinstance(x, AbstractDynamics):
        raise ValueError(
            f"{name} must be a model such as LIF(), got {x!r}. The order of arguments is "
            "model, inputs, dt."
        )


class AbstractDynamics(eqx.Module, Generic[S]):
    """A neuron, a synapse, a layer or a whole network: parameters plus a pure `step`."""

    def __new__(cls, *args, **kwargs):
        known = inspect.signature(cls.__init__).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            for name in kwargs.keys() - known.keys():
                raise ValueError(
                    f"{cls.__name__} has no parameter {name!r}.{nearest(name, known)} "
                    f"It has {', '.join(list(known)[1:])}."
                )
        return super().__new__(cls)

    def __check_init__(self):
        check_parameters(self)

    @abc.abstractmethod
    def init(self, shape: tuple[int, ...] = (), *, key=None, dt=None) -> S:
        """State at rest, for inputs of `shape`; `key` if stochastic, `dt` if it holds delays."""

    @abc.abstractmethod
    def step(self, state: S, input: Any, dt: Float[ArrayLike, ""]) -> tuple[S, Any]:
        """Advance by `dt` (ms) with `input` held constant: (new state, output)."""

    def unroll(self, state: S, inputs: Any, dt: Float[ArrayLike, ""]) -> tuple[S, Any]:
        """Run a whole sequence of `inputs` (time first): (last state, outputs, time first).

        Scans `step`. A part overrides this only where a whole-sequence form is better, and is
        tested to give the same.
        """
        return jax.lax.scan(lambda state, input: self.step(state, input, dt), state, inputs)

    def unroll_all(
        self, state: S, inputs: Any, dt: Float[ArrayLike, ""]
    ) -> tuple[S, dict[str, Any]]:
        """As `unroll`, but with the outputs of every part by its dotted name.

        The last entry is the output of the whole; it is named "" unless a part's is the same.
        """
        state, outputs = self.unroll(state, inputs, dt)
        return state, {"": outputs}

    def open(self, state: S, dt: Float[ArrayLike, ""]) -> Any:
        """The state as a loop over many steps carries it, with what is prepared once for all."""
        del dt
        return state

    def close(self, state: Any) -> S:
        """The state of `open`, or of a step from it, without what was prepared."""
        return state

    @property
    def sized(self) -> bool:
        """Whether the sizes of its populations are its own, and not those of its input."""
        return False

    @property
    def spiking(self) -> bool:
        """Whether the output is spikes."""
        return False

    @property
    def whole_sequence(self) -> bool:
        """Whether `unroll` needs all of time at once, and not piece by piece."""
        return False

    def absorb(self, state: S) -> "AbstractDynamics[S]":
        """The model with what a run has taught it other than by gradient.

        Such as the running statistics of a normalisation, which are in `state` after the run.
        """
        del state
        return self

    def stiffness(self, state: S, input: Any, dt: Float[ArrayLike, ""]) -> dict[str, Any]:
        """How stiff each variable is for an explicit scheme; see `AbstractNeuron.stiffness`."""
        del state, input, dt
        return {}
