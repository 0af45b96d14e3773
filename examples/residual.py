"""A residual block with batch normalisation: 8 channels, 14×14."""

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two convolutions and the identity around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(x + y)


torch.manual_seed(0)
model = ResidualBlock(8)
example_inputs = (torch.randn(1, 8, 14, 14),)
