"""SpikingJelly in multi-step mode: whole sequences, and its own CPU operator for LIF.

Its surrogate `PiecewiseExp(2)` is the shared one, and it is among those that its operator
takes. The recurrent layer calls its `lif_step` in a loop: its `LinearRecurrentContainer`
would multiply the input current by a matrix of its own.
"""

import side
import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn
from torch_side import conv, linear, serve
from workloads import DECAY

TAU = 1 / (1 - DECAY)


def lif():
    return neuron.LIFNode(
        TAU,
        decay_input=False,
        v_reset=None,
        surrogate_function=surrogate.PiecewiseExp(2.0),
        detach_reset=True,
        step_mode="m",
    )


class Recurrent(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.inside = linear(weight)
        self.surrogate = surrogate.PiecewiseExp(2.0)

    def forward(self, x):
        v, spikes = torch.zeros_like(x[0]), []
        for current in x:
            if spikes:
                current = current + self.inside(spikes[-1])
            s, v = functional.lif_step(
                current, v, TAU, False, 1.0, None, self.surrogate, True
            )
            spikes.append(s)
        return torch.stack(spikes)


class Readout(nn.Module):
    """Its readout decays its input too, by 0.1."""

    def __init__(self):
        super().__init__()
        self.integrate = neuron.NonSpikingLIFNode(TAU, decode="mean-mem")

    def forward(self, x):
        return TAU * self.integrate(x)


class Rate(nn.Module):
    def forward(self, spikes):
        return spikes.mean(0)


class Net(nn.Sequential):
    def forward(self, x):
        functional.reset_net(self)
        return super().forward(x)


def make(work, data):
    if work.kind == "lif":
        return Net(lif())
    w1 = linear(data["w1"])
    if work.kind == "linear":
        return Net(w1, lif())
    if work.kind == "dense":
        return Net(w1, lif(), linear(data["w2"]), lif(), linear(data["w3"]), Readout())
    if work.kind == "recurrent":
        return Net(w1, Recurrent(data["recurrent"]), linear(data["w2"]), Readout())
    stateless = layer.SeqToANNContainer
    return Net(
        stateless(conv(data["conv1"])),
        lif(),
        stateless(nn.AvgPool2d(2), conv(data["conv2"])),
        lif(),
        stateless(nn.AvgPool2d(2), nn.Flatten(), w1),
        lif(),
        Rate(),
    )


if __name__ == "__main__":
    side.main(lambda work, data: serve(make, work, data), "spikingjelly", "torch")
