"""An LSTM of 16 hidden units over 10 steps of 8 features, and a linear layer on its last output."""

import torch
from torch import nn


class Lstm(nn.Module):
    """A sequence to one number."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.output = nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(x)
        return self.output(states[:, -1])


torch.manual_seed(0)
model = Lstm()
example_inputs = (torch.randn(1, 10, 8),)
