"""The product of two inputs, 256 × 256 by 256 × 64."""

import torch
from torch import nn


class Product(nn.Module):
    """A matrix product of two inputs."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b


torch.manual_seed(0)
model = Product()
example_inputs = (torch.randn(256, 256), torch.randn(256, 64))
