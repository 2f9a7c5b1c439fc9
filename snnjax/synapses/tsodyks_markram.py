"""Short-term depression and facilitation."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core.parameters import parameter
from snnjax.synapses.base import AbstractRelease


class TsodyksMarkramState(NamedTuple):
    x: Float[Array, "*n"]  # resources that are left, 0 .. 1
    u: Float[Array, "*n"] | None  # use left over by earlier spikes; None: no facilitation


class TsodyksMarkram(AbstractRelease[TsodyksMarkramState]):
    r"""Short-term plasticity: each spike uses up resources, and may raise the use of the next.

    $$dx/dt = (1 - x) / \tau_{rec}, \quad du/dt = -u / \tau_{facil}$$

    and at a spike, in this order, $u \leftarrow u + U (1 - u)$, the release of $u x$, and
    $x \leftarrow x - u x$. It is exact from spike to spike, for any dt. The amount is $u x$
    itself, not normalised: a weight is the absolute synaptic efficacy A, the response to the
    release of all resources, and the first spike of a rested synapse has U times it. What was
    released begins to recover at once, without the inactive state that lasts some 3 ms in
    Tsodyks, Pawelzik & Markram. A regular train of interval T settles at
    $u = \frac{U}{1 - (1 - U) e^{-T / \tau_{facil}}}$ and
    $x = \frac{1 - e^{-T / \tau_{rec}}}{1 - (1 - u) e^{-T / \tau_{rec}}}$.

    **Arguments**, each a scalar or an array with one value a source neuron:

    - `u`: U, the use of a rested synapse, above 0 and at most 1.
    - `tau_rec`: time constant of recovery, ms, above 0.
    - `tau_facil`: of facilitation, ms, above 0; None is no facilitation, so that u is U.

    Tsodyks, Pawelzik & Markram 1998, Neural Comput. 10:821; Markram, Wang & Tsodyks 1998,
    PNAS 95:5323.
    """

    event = True

    u: Float[Array, "..."] = parameter(0.5, above=0, at_most=1)
    tau_rec: Float[Array, "..."] = parameter(800.0, "ms", above=0)
    tau_facil: Float[Array, "..."] | None = parameter(None, "ms", above=0)

    @classmethod
    def depressing(cls, **changes) -> "TsodyksMarkram":
        """Between pyramidal cells: figure 1A of Tsodyks, Pawelzik & Markram 1998."""
        return cls(**{**dict(u=0.5, tau_rec=800.0, tau_facil=None), **changes})

    @classmethod
    def facilitating(cls, **changes) -> "TsodyksMarkram":
        """From a pyramidal cell to an interneuron: figure 1B of the same paper."""
        return cls(**{**dict(u=0.03, tau_rec=130.0, tau_facil=530.0), **changes})

    def init(
        self, shape: tuple[int, ...] = (), *, key=None, dt=None
    ) -> TsodyksMarkramState:
        zero = self.zeros(shape)
        return TsodyksMarkramState(zero + 1, None if self.tau_facil is None else zero)

    def step(self, state, input, dt):
        """`input`: (spikes, v) of the sources. Returns the new state and the amounts."""
        spikes, _ = input
        x = 1 - (1 - state.x) * jnp.exp(-dt / self.tau_rec)
        if state.u is None:
            amount = spikes * self.u * x
            return TsodyksMarkramState(x - amount, None), amount
        u = state.u * jnp.exp(-dt / self.tau_facil)
        u = u + spikes * self.u * (1 - u)
        amount = spikes * u * x
        return TsodyksMarkramState(x - amount, u), amount
