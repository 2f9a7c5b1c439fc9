"""The digits, learned by two layers of Izhikevich neurons through a surrogate gradient.

    python benchmarks/accuracy/digits_izhikevich.py

Accuracy on the test set for five splits, and how large the gradient of each layer is: it grows
from layer to layer on the way back, since v runs up to a spike ever faster, by a factor of
about (0.04 v^2 + 5 v + 140) between threshold and onset. Hence steps of 0.5 ms, which do not
carry v far beyond its peak, and a limit on each layer's gradient by itself.
"""

import platform
import statistics

import jax
import jax.numpy as jnp
import optax

import snnjax as snn

DT, STEPS = 0.5, 50  # ms, and 25 ms of it
EPOCHS, BATCH, HIDDEN = 20, 64, 128
ENCODE = snn.DirectCurrent(STEPS)  # the brightness of each pixel, held for all of time


def drive(x):
    """Weighted sums to mV/ms: above 4 an Izhikevich cell fires by itself."""
    return 40 * x + 5


def logits(x):
    return 100 * x


def izhikevich() -> snn.Izhikevich:
    # A slope that is still felt at rest, 95 mV below the peak of the spike.
    threshold = snn.Threshold(30.0, snn.SuperSpike(0.1))
    scheme = snn.IZHIKEVICH_2003
    return snn.Izhikevich(v_start=-65.0, threshold=threshold, integrator=scheme)


def network(key) -> snn.Sequential:
    """64 pixels -> Izhikevich -> Izhikevich -> 10 leaky integrators."""
    keys = jax.random.split(key, 3)
    return snn.Sequential(
        snn.Linear(64, HIDDEN, key=keys[0]),
        drive,
        izhikevich(),
        snn.Linear(HIDDEN, HIDDEN, key=keys[1]),
        drive,
        izhikevich(),
        snn.Linear(HIDDEN, 10, key=keys[2]),
        logits,
        snn.LeakyIntegrator(20.0),
    )


@jax.jit
def gradient_norms(net, x, y):
    """Euclidean norm of the gradient of each layer's weights, and spikes a neuron and step."""
    params, build = snn.trainable(net, "*weight")

    def loss(params):
        rollout = snn.unroll(build(params), ENCODE(x), DT, layers=True)
        rates = {name: rollout.layers[name].mean() for name in ("layers.2", "layers.5")}
        return snn.rate_cross_entropy(rollout.outputs, y), rates

    gradient, rates = jax.grad(loss, has_aux=True)(params)
    return {name: jnp.linalg.norm(g) for name, g in gradient.items()}, rates


def show(what: str, net, data) -> None:
    norms, rates = gradient_norms(net, *(jnp.asarray(part[:256]) for part in data))
    text = ", ".join(f"{name} {float(g):.2e}" for name, g in norms.items())
    spikes = ", ".join(f"{float(r) / DT * 1e3:.0f} Hz" for r in rates.values())
    print(f"  {what}: gradient norms {text}; rates {spikes}")


def main(seed: int) -> float:
    """Test accuracy of the epoch that is best on the validation set, for the split `seed`."""
    data = snn.datasets.digits(seed)
    network_key, fit_key, test_key = jax.random.split(jax.random.key(seed), 3)
    updates = EPOCHS * (len(data.train[0]) // BATCH)
    optimizer = optax.chain(
        optax.clip_by_block_rms(1e-3),
        optax.adam(optax.cosine_decay_schedule(3e-3, updates)),
    )
    net = network(network_key)
    print(f"seed {seed}")
    show("before", net, data.train)
    net, history = snn.fit(
        net,
        data.train,
        validation=data.validation,
        encode=ENCODE,
        optimizer=optimizer,
        key=fit_key,
        where=["*weight", "*bias"],
        epochs=EPOCHS,
        batch_size=BATCH,
        dt=DT,
        progress=False,
    )
    show("after", net, data.train)
    accuracies = []
    for x, y in (data.validation, data.test):
        outputs = snn.evaluate(net, (x, y), encode=ENCODE, key=test_key, dt=DT)[0]
        accuracies.append(float(snn.accuracy(outputs, jnp.asarray(y))))
    chosen, accuracy = accuracies
    print(
        f"  epoch {history.best_epoch}: validation {100 * chosen:.2f} %, "
        f"test {100 * accuracy:.2f} %",
        flush=True,
    )
    return accuracy


if __name__ == "__main__":
    print(
        f"snnjax {snn.__version__}, jax {jax.__version__}, Python {platform.python_version()}, "
        f"{jax.devices()[0].platform}, {jnp.zeros(()).dtype}"
    )
    accuracies = [100 * main(seed) for seed in range(5)]
    print(
        f"test accuracy over seeds 0-4: {statistics.mean(accuracies):.2f} % "
        f"+- {statistics.stdev(accuracies):.2f} % (standard deviation)"
    )
