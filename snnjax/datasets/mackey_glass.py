"""Mackey-Glass: a chaotic series to be predicted."""

import numpy as np

from snnjax.core import checks


def mackey_glass(
    seed: int = 0,
    n_samples: int = 5000,
    *,
    tau: float = 17.0,
    beta: float = 0.2,
    gamma: float = 0.1,
    n: float = 10.0,
    dt: float = 1.0,
    substeps: int = 10,
    discard: float = 300.0,
    start: float | None = None,
) -> np.ndarray:
    r"""Samples [n_samples] of the delay equation, `dt` apart; without units.

    $$dx/dt = \beta \frac{x(t - \tau)}{1 + x(t - \tau)^n} - \gamma x$$

    Chaotic for tau above 16.8 at these parameters. Integrated with Runge-Kutta of order 4 in
    steps of `dt / substeps`, which must divide `tau`; between steps the past is interpolated
    by cubic Hermite polynomials, so that the order is kept.

    - `start`: the constant history, $x(t) = start$ for $t \le 0$, at least 0; by default drawn
      by `seed` from 1.1 .. 1.3.
    - `discard`: how long it runs before the first sample, to forget the start; a whole number
      of dt.

    Accuracy at the defaults: 1e-8 over the first 100; the error then grows as in any chaotic
    system (Lyapunov exponent about 0.006), while the attractor keeps its shape.
    Float32. Mackey & Glass 1977, Science 197:287.
    """
    name = "mackey_glass"
    n_samples = checks.count(n_samples, f"{name}.n_samples")
    substeps = checks.count(substeps, f"{name}.substeps")
    for argument, value in dict(tau=tau, dt=dt, n=n).items():
        checks.positive(value, f"{name}.{argument}")
    for argument, value in dict(beta=beta, gamma=gamma, discard=discard).items():
        checks.at_least(value, 0, f"{name}.{argument}")
    if start is None:
        start = np.random.default_rng(seed).uniform(1.1, 1.3)
    checks.at_least(start, 0, f"{name}.start")
    h = dt / substeps
    lag, skipped = round(tau / h), round(discard / dt)
    for argument, value, whole in (
        ("tau", tau, lag * h),
        ("discard", discard, skipped * dt),
    ):
        if abs(value - whole) > 1e-6 * value:
            raise ValueError(
                f"{name}.{argument}={value:g} must be a whole number of "
                f"{'dt / substeps' if argument == 'tau' else 'dt'}, with dt={dt:g} and "
                f"substeps={substeps}."
            )
    n_steps = (skipped + n_samples - 1) * substeps
    x = _integrate(float(start), lag, n_steps, h, beta, gamma, n)
    return x[::substeps][skipped:].astype(np.float32)


def _integrate(start, lag, n_steps, h, beta, gamma, n) -> np.ndarray:
    """x at the n_steps + 1 points of the grid from t = 0 on."""
    slope = lambda x, past: beta * past / (1 + past**n) - gamma * x
    # Plain floats: each step needs the one before, and an array of one is slow.
    x, dx = [start] * (lag + 1), [0.0] * lag
    for k in range(n_steps):
        past, then, now = x[k], x[k + 1], x[-1]  # a delay ago, a step later, and now
        k1 = slope(now, past)
        dx.append(k1)
        # The slope jumps at t = 0: what is before must not see the one after.
        bend = h / 8 * (dx[k] - dx[k + 1]) if k >= lag else 0.0
        between = 0.5 * (past + then) + bend
        k2 = slope(now + 0.5 * h * k1, between)
        k3 = slope(now + 0.5 * h * k2, between)
        k4 = slope(now + h * k3, then)
        x.append(now + h / 6 * (k1 + 2 * (k2 + k3) + k4))
    return np.array(x[lag:])


def prediction_windows(
    series: np.ndarray, length: int, horizon: int = 1, stride: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of a series [time] or [time, features], and what comes `horizon` steps later.

    Returns (x, y), both [n, length, features]: y[i, t] is the series `horizon` steps after
    x[i, t]. Windows begin `stride` steps apart. Cut the series into training, validation and
    test part first: windows of one part overlap.
    """
    length = checks.count(length, "prediction_windows.length")
    horizon = checks.count(horizon, "prediction_windows.horizon")
    stride = checks.count(stride, "prediction_windows.stride")
    series = np.asarray(series)
    series = series[:, None] if series.ndim == 1 else series
    if series.ndim != 2 or len(series) < length + horizon:
        raise ValueError(
            "prediction_windows.series must be [time] or [time, features] of at least length "
            f"+ horizon = {length + horizon} steps, got shape {series.shape}."
        )
    every = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)
    every = every.swapaxes(1, 2)
    return every[:-horizon:stride], every[horizon::stride]
