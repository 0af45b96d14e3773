import torch
from torch import nn


class Tiny(nn.Module):
    def forward(self, x, y):
        return torch.relu(x @ y)


model = Tiny()
example_inputs = (
    torch.tensor([[1, -2, 0.5], [0, 2, -3], [4, 1.5, -1], [-1, 0.25, 8]]),
    torch.tensor([[1.0, 2], [3, -4], [-5, 6]]),
)
