"""The paper's feed-forward network, batch 64."""

import torch
from torch import nn


class FeedForward(nn.Module):
    """64 features, 48 hidden units, 4 outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 48)
        self.relu = nn.ReLU()
        self.output = nn.Linear(48, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.relu(self.hidden(x)))


torch.manual_seed(0)
model = FeedForward()
example_inputs = (torch.randn(64, 64),)
