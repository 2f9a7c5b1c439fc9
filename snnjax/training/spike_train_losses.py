"""Losses that compare spike trains, each called as `loss(spikes, targets)`.

Both are [time, batch, ...], time first, with a spike as 1; between 0 and 1 (as in a relaxed
network) it counts as that much of one. Other arguments are set by
`functools.partial(loss, ...)`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from snnjax.core import checks

Train = Float[Array, "time ..."]


def van_rossum_loss(
    spikes: Train, targets: Train, *, tau: float = 10.0, dt: float = 1.0
) -> Float[Array, ""]:
    r"""Squared van Rossum distance, averaged over all trains.

    The $D^2$ of `snnjax.measures.van_rossum`, of spikes on a grid of steps,

    $$D^2 = \frac{1 - e^{-2 dt / \tau}}{2} \sum_{t < T - 1} f_t^2 + \frac{1}{2} f_{T-1}^2,
    \quad f_t = e^{-dt / \tau} f_{t-1} + s_t - \hat s_t$$

    which is exact, the integral beyond the last step included. 1/2 for one spike too many or
    too few (van Rossum 2001, Neural Comput. 13:751).

    - `tau`: ms, above 0; small for coincidences, large for rates. `dt`: ms.
    """
    targets = _checked(targets, spikes, "van_rossum_loss")
    decay = checks.positive(tau, "van_rossum_loss.tau", "ms")
    width = checks.positive(dt, "van_rossum_loss.dt", "ms")
    difference = spikes - targets
    ratio = (width / decay).astype(difference.dtype)

    def step(f, x):
        f = jnp.exp(-ratio) * f + x
        return f, f**2

    start = jnp.zeros(difference.shape[1:], difference.dtype)
    last, squares = jax.lax.scan(step, start, difference)
    inside = -0.5 * jnp.expm1(-2 * ratio) * squares[:-1].sum(0)
    return jnp.mean(inside + 0.5 * last**2)


def spike_train_mse(
    spikes: Train, targets: Train, *, tolerance: float = 0.0, dt: float = 1.0
) -> Float[Array, ""]:
    r"""Squared error to target spike trains, in which a spike may come a little off.

    $$\frac{1}{T} \Bigl( \sum_{\hat t} (n_{\hat t} - 1)^2 + \sum_{t \notin W} s_t^2 \Bigr)$$

    averaged over all trains: $\hat t$ are the target spikes, $n_{\hat t}$ how many spikes come
    within `tolerance` of one, and W the steps within `tolerance` of any. It is 0 where each
    target has exactly one spike near it and there are no others. With `tolerance` 0 it is the
    mean squared error of the trains.

    - `tolerance`: ms, at least 0, a whole number of steps. `dt`: ms. Targets nearer to each
      other than twice the tolerance share spikes.
    """
    targets = _checked(targets, spikes, "spike_train_mse")
    checks.at_least(tolerance, 0, "spike_train_mse.tolerance", "ms")
    reach = checks.whole_steps(tolerance, dt, "spike_train_mse.tolerance")

    def near(x):
        window = (2 * reach + 1, *(1,) * (x.ndim - 1))
        pad = ((reach, reach), *((0, 0),) * (x.ndim - 1))
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, (1,) * x.ndim, pad)

    missed = targets * (near(spikes) - 1) ** 2
    outside = jnp.where(near(targets) > 0, 0, spikes**2)
    return jnp.mean(missed + outside)


def _checked(targets, spikes, name) -> Train:
    if jnp.shape(spikes) != jnp.shape(targets):
        raise ValueError(
            f"{name}.targets must be spike trains of the shape of the outputs, "
            f"{jnp.shape(spikes)}, got {jnp.shape(targets)}."
        )
    return jnp.asarray(targets, spikes.dtype)
