"""The chronotron: output spikes come, go and move until the train is the wanted one."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks
from snnjax.core.parameters import parameter
from snnjax.plasticity.bounds import AbstractBounds, NoBounds
from snnjax.plasticity.potentials import check_order, peak_one
from snnjax.plasticity.rule import AbstractRule, Seen


class ChronotronI(AbstractRule):
    r"""I-learning: target and output spikes read the synaptic currents.

    $$\frac{dw}{dt} = \gamma \, \mathrm{sgn}(w) \, [S_d(t) - S_o(t)] I(t), \qquad
      I(t) = w \sum_{t_i < t} e^{-(t - t_i) / \tau_s}$$

    A change grows with the size of the weight, and a weight keeps its sign: one of 0 stays.

    - `gamma`: relative change by a spike just before. `tau_s`: of the current, ms, above 0.

    The modulator "target" holds the wanted spikes, one value a target neuron.

    Florian 2012, PLoS ONE 7:e40233.
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)

    gamma: Float[Array, ""] = parameter(0.05, per_neuron=False)
    tau_s: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()

    def traces(self, pre, post, dt):
        return pre

    def observe(self, traces, signals, dt):
        x = traces * jnp.exp(-dt / self.tau_s)
        error = signals.modulators["target"] - signals.post
        return Seen(None, error, x, ()), x + signals.pre

    def on_post(self, w, pre, post):
        return self.gamma * jnp.abs(w) * pre


class Trains(NamedTuple):
    """Of the output, and of the target: one entry for each spike that there is room for."""

    out: Any
    target: Any


class ETraces(NamedTuple):
    now: Float[Array, "n_post"]  # ms since the trial began
    count: Trains  # spikes so far, [n_post]
    times: Trains  # ms, tuples of [n_post]; 0 where there is no spike


class EPost(NamedTuple):
    spikes: Trains
    count: Trains
    shares: Trains  # what each spike adds to the weights; 0 before the end
    end: Float[Array, "n_post"]


class EOwn(NamedTuple):
    s: Array  # the synaptic current
    m: Array  # the slow part of the potential
    at: Trains  # the potential at each spike


class ChronotronE(AbstractRule):
    r"""E-learning: descent of a distance of Victor and Purpura, at the end of each trial.

    The cheapest way to edit the output train into the target train, where taking a spike away
    or adding one costs 1 and moving one costs $(t - \hat t)^2 / 2 \tau_q^2$, leaves target
    spikes to be added, output spikes to be taken away, and pairs of both to be moved:

    $$\Delta w = \gamma \Bigl[ \sum_{\hat t \in add} \lambda(\hat t) - \sum_{t \in take}
      \lambda(t) + \frac{\gamma_r}{\tau_q^2} \sum_{(t, \hat t) \in move} (t - \hat t)
      \lambda(t) \Bigr]$$

    $\lambda(t)$ is what spikes of the source have made of the potential since the last output
    spike: that of a leaky membrane (`tau_m`) under exponential currents (`tau_s`), reset to 0
    by an output spike; $e^{-s / \tau_m} - e^{-s / \tau_s}$ scaled to a peak of 1.

    - `gamma`: units of the weight. `gamma_r`: ms, what moving counts beside adding and taking.
    - `tau_q`: ms; spikes further apart than 2 `tau_q` are not moved into each other.
    - `tau_m`, `tau_s`: ms; 0 < `tau_s` < `tau_m`.
    - `max_spikes`: of a train in a trial; later ones count for nothing.

    Of ways that are equally cheap it takes that which moves fewer spikes, or earlier ones. The
    modulators are "target", the wanted spikes, and "end", 1 in the last step of a trial and 0
    elsewhere.

    Florian 2012, PLoS ONE 7:e40233; Victor & Purpura 1996, J. Neurophysiol. 76:1310.
    """

    needs: ClassVar[tuple[str, ...]] = ("target", "end")

    gamma: Float[Array, ""] = parameter(0.05, per_neuron=False)
    gamma_r: Float[Array, ""] = parameter(10.0, "ms", at_least=0, per_neuron=False)
    tau_q: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    tau_m: Float[Array, ""] = parameter(10.0, "ms", above=0, per_neuron=False)
    tau_s: Float[Array, ""] = parameter(5.0, "ms", above=0, per_neuron=False)
    bounds: AbstractBounds = NoBounds()
    max_spikes: int = eqx.field(default=12, static=True, kw_only=True)

    def __check_init__(self):
        check_order(self)
        checks.count(self.max_spikes, "ChronotronE.max_spikes")

    def traces(self, pre, post, dt):
        never = (post,) * self.max_spikes
        return ETraces(post, Trains(post, post), Trains(never, never))

    def own(self, w):
        zero = jnp.zeros_like(w)
        nothing = (zero,) * self.max_spikes
        return EOwn(zero, zero, Trains(nothing, nothing))

    def observe(self, traces: ETraces, signals, dt):
        target, end = (signals.modulators[name] for name in self.needs)
        spikes, count = Trains(signals.post, target), traces.count
        now = traces.now + dt
        times = Trains(
            *(_put(*of, now) for of in zip(traces.times, count, spikes, strict=True))
        )

        def settle():
            share = jax.vmap(self.shares, in_axes=1, out_axes=1)
            out, wanted = share(jnp.stack(times.out), jnp.stack(times.target))
            return tuple(out * end), tuple(wanted * end)

        nothing = (jnp.zeros_like(now),) * self.max_spikes
        shares = jax.lax.cond(jnp.any(end > 0), settle, lambda: (nothing, nothing))
        post = EPost(spikes, count, Trains(*shares), end)
        count = jax.tree.map(lambda n, x: (n + x) * (1 - end), count, spikes)
        times = jax.tree.map(lambda t: t * (1 - end), times)
        traces = ETraces(now * (1 - end), count, times)
        return Seen(None, None, signals.pre, post), traces

    def shares(self, out: Array, target: Array) -> tuple[Array, Array]:
        """By how much of the potential at each spike the weights change; of one neuron."""
        late = out[:, None] - target
        paired = pairing((late / self.tau_q) ** 2 / 2, out > 0, target > 0)
        move = self.gamma_r / self.tau_q**2 * (paired * late).sum(1)
        return move - (1 - paired.sum(1)), 1 - paired.sum(0)

    def change(self, own: EOwn, w, seen, dt):
        s, m = own.s * jnp.exp(-dt / self.tau_s), own.m * jnp.exp(-dt / self.tau_m)
        potential = peak_one(self) * (m - s)
        post: EPost = seen.post
        at = Trains(
            *(
                _put(*of, potential)
                for of in zip(own.at, post.count, post.spikes, strict=True)
            )
        )
        each = jax.tree.map(lambda share, x: share * x, post.shares, at)
        w = self.bounds.apply(w, self.gamma * sum(jax.tree.leaves(each)))
        m = jnp.where(post.spikes.out > 0, s, m)
        keep = 1 - post.end
        own = EOwn(s + seen.pre, m + seen.pre, at)
        return jax.tree.map(lambda x: x * keep, own), w


def _put(held: tuple, count: Array, spikes: Array, value: Array) -> tuple:
    """`value` in the place of the present spike, if there is one and room for it."""
    here = [(spikes > 0) & (count == k) for k in range(len(held))]
    return tuple(jnp.where(i, value, x) for i, x in zip(here, held, strict=True))


def pairing(cost: Float[Array, "a b"], real_a: Array, real_b: Array) -> Float[Array, "a b"]:
    """1 where a spike of one train is moved to one of the other in the cheapest editing.

    It is the derivative of the distance to the cost of each move. `real_a`, `real_b`: spikes
    that there are, at the front.
    """
    n_b = jnp.sum(real_b)
    # Minima share their derivative between equals: let there be none.
    i, j = (jnp.arange(n) for n in cost.shape)
    cost = cost + jnp.sqrt(jnp.finfo(cost.dtype).eps) * (1 + i[:, None] + j)
    column = jnp.arange(len(real_b) + 1, dtype=cost.dtype)

    def take(row, x):
        cost, real = x
        best = jnp.append(row[0] + 1, jnp.minimum(row[1:] + 1, row[:-1] + cost))
        # Adding goes from left to right: min over k <= j of best[k] + (j - k).
        best = column + jax.lax.cummin(best - column)
        return jnp.where(real, best, row), None

    return jax.grad(lambda cost: jax.lax.scan(take, column, (cost, real_a))[0][n_b])(cost)
