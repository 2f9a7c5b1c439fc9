"""Plain torch, written with care: a hand-written backward over the whole sequence.

The forward writes u and s in place, step by step, and keeps only u. The backward takes the
surrogate of several steps at once where a step is small, and then scans
g_t = ds_t surrogate_t + 0.9 g_{t+1} in place. Linear layers and convolutions are one call
over time and batch; the recurrent layer adds its product in place, and the gradient of its
weights is one product over the whole sequence.
"""

import side
import torch
from torch import nn
from torch_side import network, serve
from workloads import DECAY

CHUNK = 2**17  # numbers that stay in cache between the passes over them


def _forward(x, weight=None):
    u, s = torch.empty_like(x), torch.empty_like(x)
    v = torch.zeros_like(x[0])
    for t in range(len(x)):
        torch.add(x[t], v, alpha=DECAY, out=u[t])
        if weight is not None and t:
            u[t].addmm_(s[t - 1], weight.T)
        torch.ge(u[t], 1, out=s[t])
        torch.sub(u[t], s[t], out=v)
    return u, s


def _surrogates(u):
    """(step, surrogate of that step), backwards in time."""
    chunk = max(1, CHUNK // u[0].numel())
    for end in range(len(u), 0, -chunk):
        start = max(0, end - chunk)
        slope = (u[start:end] - 1).abs_().mul_(-2).exp_()
        for t in range(end - 1, start - 1, -1):
            yield t, slope[t - start]


class LIFFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        u, s = _forward(x)
        ctx.save_for_backward(u)
        return s

    @staticmethod
    def backward(ctx, ds):
        (u,) = ctx.saved_tensors
        dx = torch.empty_like(u)
        for t, slope in _surrogates(u):
            torch.mul(ds[t], slope, out=dx[t])
            if t + 1 < len(u):
                dx[t].add_(dx[t + 1], alpha=DECAY)
        return dx


class RecurrentFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        u, s = _forward(x, weight)
        ctx.save_for_backward(u, s, weight)
        return s

    @staticmethod
    def backward(ctx, ds):
        u, s, weight = ctx.saved_tensors
        dx = torch.empty_like(u)
        for t, slope in _surrogates(u):
            if t + 1 < len(u):
                torch.addmm(ds[t], dx[t + 1], weight, out=dx[t])
                dx[t].mul_(slope).add_(dx[t + 1], alpha=DECAY)
            else:
                torch.mul(ds[t], slope, out=dx[t])
        return dx, dx[1:].flatten(0, 1).T @ s[:-1].flatten(0, 1)


class Readout(torch.autograd.Function):
    """Mean over time of r_t = 0.9 r_{t-1} + i_t: a fixed weight for each step."""

    @staticmethod
    def forward(ctx, i):
        left = torch.arange(len(i), 0, -1, dtype=i.dtype)
        ctx.weights = (1 - DECAY**left) / (1 - DECAY) / len(i)
        return torch.tensordot(ctx.weights, i, 1)

    @staticmethod
    def backward(ctx, g):
        return ctx.weights[:, None, None] * g


class LIF(nn.Module):
    def forward(self, x):
        return LIFFunction.apply(x)


class Recurrent(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight))

    def forward(self, x):
        return RecurrentFunction.apply(x, self.weight)


class Last(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def spiking(recurrent=None):
    return LIF() if recurrent is None else Recurrent(recurrent)


make = network(spiking, lambda: Last(Readout.apply))

if __name__ == "__main__":
    side.main(lambda work, data: serve(make, work, data), "torch")
