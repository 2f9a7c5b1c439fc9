"""What the sides that are built on torch share."""

from collections.abc import Callable

import torch
from side import CORES, Side
from torch import nn
from workloads import LEARNING_RATE, MEAN_SPIKES

torch.set_num_threads(CORES)


class Laplace(torch.autograd.Function):
    """1 where u >= 1, x being u - 1; backward, exp(-2 |x|)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.exp(-2 * x.abs())


def spike(x: torch.Tensor) -> torch.Tensor:
    """The shared spike of `x` = u - 1, for libraries that take any function."""
    return Laplace.apply(x)


def linear(weight) -> nn.Linear:
    """`nn.Linear` without bias, of this weight."""
    return _with(nn.Linear(*weight.shape[::-1], bias=False), weight)


def conv(weight) -> nn.Conv2d:
    """`nn.Conv2d` without padding or bias, of this weight."""
    out, inputs, size, _ = weight.shape
    return _with(nn.Conv2d(inputs, out, size, bias=False), weight)


def _with(layer, weight):
    layer.weight.data = torch.from_numpy(weight)
    return layer


class OverTime(nn.Sequential):
    """Layers that keep no state, over time and batch at once."""

    def forward(self, x):
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Rate(nn.Module):
    def forward(self, spikes):
        return spikes.mean(0)


def network(LIF: Callable[..., nn.Module], Readout: Callable[[], nn.Module]) -> Callable:
    """`make` of a library whose layers loop over time: LIF() or LIF(recurrent weight)."""

    def make(work, data):
        if work.kind == "lif":
            return LIF()
        w1 = linear(data["w1"])
        if work.kind == "linear":
            return nn.Sequential(w1, LIF())
        if work.kind == "dense":
            w2, w3 = linear(data["w2"]), linear(data["w3"])
            return nn.Sequential(w1, LIF(), w2, LIF(), w3, Readout())
        if work.kind == "recurrent":
            return nn.Sequential(w1, LIF(data["recurrent"]), linear(data["w2"]), Readout())
        return nn.Sequential(
            OverTime(conv(data["conv1"])),
            LIF(),
            OverTime(nn.AvgPool2d(2), conv(data["conv2"])),
            LIF(),
            OverTime(nn.AvgPool2d(2), nn.Flatten(), w1),
            LIF(),
            Rate(),
        )

    return make


def serve(make: Callable[..., nn.Module], work, data) -> Side:
    """The side of `make(work, data)`: a module from inputs [time, batch, ...] to its output.

    The output is what the loss is computed from: spikes [time, batch, n] for W1 and W5,
    logits [batch, classes] for the others. The module's parameters are named as the weights.
    """
    x = torch.from_numpy(data["x"]).float()
    if work.kind == "lif":
        return _alone(make(work, data), x, torch.from_numpy(data["cotangent"]))
    if work.trains:
        labels = torch.from_numpy(data["labels"])
        criterion = lambda logits: nn.functional.cross_entropy(logits, labels)
    else:
        criterion = lambda spikes: ((spikes.mean(0) - MEAN_SPIKES) ** 2).sum()
    net = make(work, data)

    def gradients():
        fresh = make(work, data)
        loss = criterion(fresh(x))
        loss.backward()
        named = zip(data_names(work), fresh.parameters(), strict=True)
        return loss.item(), {name: p.grad.numpy() for name, p in named}

    if work.trains:
        adam = torch.optim.Adam(net.parameters(), LEARNING_RATE, fused=True)

        def step():
            adam.zero_grad()
            loss = criterion(net(x))
            loss.backward()
            adam.step()
            return loss.item()

        return Side({"training step": step}, gradients)

    @torch.no_grad()
    def forward():
        return criterion(net(x)).item()

    def both():
        net.zero_grad()
        loss = criterion(net(x))
        loss.backward()
        return loss.item()

    return Side({"forward": forward, "forward + backward": both}, gradients)


def data_names(work) -> list[str]:
    """The weights, in the order in which the layers of every module here hold them."""
    return list(work.weights)


def _alone(lif, x, cotangent) -> Side:
    @torch.no_grad()
    def forward():
        return lif(x)

    def both():
        leaf = x.detach().requires_grad_()
        spikes = lif(leaf)
        spikes.backward(cotangent)
        return spikes, leaf.grad

    def gradients():
        spikes, grad = both()
        return (spikes.detach() * cotangent).sum().item(), {"x": grad.numpy()}

    return Side({"forward": forward, "forward + backward": both}, gradients)
