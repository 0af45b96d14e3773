"""A decomposition of torch.histc, and its check in simulation."""

import torch

import torch2hw
from torch2hw.frontend.index_functions import INDEXED


def histogram(x, bins=100, min=0, max=0):
    """How many elements are in each of `bins` intervals from `min` to `max`, the last one closed."""
    if min == max:  # the limits are then the extremes of x
        return NotImplemented
    place = torch.floor((x.reshape(-1, 1) - min) * bins / (max - min)).clamp(max=bins - 1)
    inside = (x >= min) & (x <= max)  # false for NaN
    hits = (place == torch.arange(bins)) & inside.reshape(-1, 1)
    return hits.to(x.dtype).sum(0)


INDEXED[torch.ops.aten.histc.default] = histogram  # in the compiler: an entry of the table


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.histc(x, bins=4, min=-1, max=1)


if __name__ == "__main__":
    x = torch.tensor([-1.0, -0.6, -0.5, 0.0, 0.2, 1.0, 1.5, float("nan")])
    result = torch2hw.compile(Model(), (x,)).simulate(x, runs=3)
    result.check()
    assert torch.equal(result.outputs, Model()(x))
    print(result.outputs)
