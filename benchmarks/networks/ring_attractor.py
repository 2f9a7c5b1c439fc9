"""A ring attractor: how far a bump of activity drifts from where it was cued."""

import jax
import numpy as np

import snnjax as snn

SECONDS = 5

if __name__ == "__main__":
    record = snn.SpikeCount(of="exc", every=1000)
    print("cue   drift (degrees) after 1, 2, .. s;  rate at its middle (Hz)")
    for i, cue in enumerate(np.arange(0.0, 360.0, 60.0)):
        network, inputs, _ = snn.networks.ring_attractor(cue, key=jax.random.key(i))
        run = dict(duration=1000.0 * SECONDS + 300, skip=300.0, record=record)
        counts = np.asarray(snn.simulate(network, inputs, 0.1, **run).ys)
        angle, sharpness = map(np.asarray, snn.networks.direction(counts))
        drift = ((angle - cue + 180) % 360 - 180)[9::10]
        assert sharpness.min() > 0.8, "the bump is gone"
        print(f"{cue:3.0f}  ", " ".join(f"{d:+6.1f}" for d in drift),
              f"  {10 * np.sort(counts[-1])[-20:].mean():.0f}")  # fmt: skip
