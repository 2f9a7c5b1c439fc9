"""Norse: the step of its LIF box in a loop over time, layer by layer.

Norse has neither the shared surrogate nor an input that is not scaled by dt / tau; so the
step is its `lif_box_feed_forward_step` with these two changed and a reset that is subtracted
and detached. The loop is not that of its SNN module, which indexes its input in each step:
the backward of that fills a whole sequence with zeros each time.
"""

import norse.torch as norse
import side
import torch
from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters
from torch import nn
from torch_side import linear, network, serve, spike
from workloads import DECAY

P = LIFBoxParameters(
    tau_mem_inv=torch.tensor(1 - DECAY),
    reset_method=lambda z, v, reset, level: v - z.detach() * level,
)


def step(x, state, p, dt):
    v = state.v + dt * p.tau_mem_inv * (p.v_leak - state.v) + x
    z = spike(v - p.v_th)
    return z, LIFBoxFeedForwardState(p.reset_method(z, v, p.v_reset, p.v_th))


class LIF(nn.Module):
    def __init__(self, weight=None):
        super().__init__()
        self.recurrent = None if weight is None else linear(weight)

    def forward(self, x):
        state, spikes = LIFBoxFeedForwardState(torch.zeros_like(x[0])), []
        for current in x:
            if self.recurrent is not None and spikes:
                current = current + self.recurrent(spikes[-1])
            z, state = step(current, state, P, 1.0)
            spikes.append(z)
        return torch.stack(spikes)


class Readout(nn.Module):
    """Its leaky integrator decays its input too, by 0.1."""

    def __init__(self):
        super().__init__()
        self.cell = norse.LIBoxCell(
            norse.LIBoxParameters(tau_mem_inv=torch.tensor(1 - DECAY)), dt=1.0
        )

    def forward(self, x):
        state, total = None, 0
        for current in x:
            v, state = self.cell(current, state)
            total = total + v
        return total / (len(x) * (1 - DECAY))


if __name__ == "__main__":
    side.main(lambda work, data: serve(network(LIF, Readout), work, data), "norse", "torch")
