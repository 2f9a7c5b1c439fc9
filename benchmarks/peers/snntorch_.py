"""snnTorch: Leaky in a loop over time, linear layers and convolutions before it at once.

`Leaky` resets in the next step, by U_t = 0.9 U_{t-1} + x_t - s_{t-1}; one overridden line
makes that 0.9 (U_{t-1} - s_{t-1}) + x_t, which is the shared update.
"""

import side
import snntorch
import torch
from torch import nn
from torch_side import linear, network, serve, spike
from workloads import DECAY


class Leaky(snntorch.Leaky):
    def _base_sub(self, input_):
        return self.beta.clamp(0, 1) * (self.mem - self.reset * self.threshold) + input_


class LIF(nn.Module):
    def __init__(self, weight=None):
        super().__init__()
        self.leaky = Leaky(DECAY, spike_grad=spike)
        self.recurrent = None if weight is None else linear(weight)

    def forward(self, x):
        mem, spikes = torch.zeros_like(x[0]), []
        for current in x:  # unbound once; x[t] would cost time squared in the backward
            if self.recurrent is not None and spikes:
                current = current + self.recurrent(spikes[-1])
            s, mem = self.leaky(current, mem)
            spikes.append(s)
        return torch.stack(spikes)


class Readout(nn.Module):
    def __init__(self):
        super().__init__()
        self.leaky = snntorch.Leaky(DECAY, reset_mechanism="none")

    def forward(self, x):
        mem, total = torch.zeros_like(x[0]), 0
        for current in x:
            _, mem = self.leaky(current, mem)
            total = total + mem
        return total / len(x)


if __name__ == "__main__":
    side.main(
        lambda work, data: serve(network(LIF, Readout), work, data), "snntorch", "torch"
    )
