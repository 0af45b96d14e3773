"""LeNet-5 (LeCun et al., 1998) with tanh and average pooling, on one 28×28 image."""

import torch
from torch import nn


class LeNet5(nn.Module):
    """Two convolutions and three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.AvgPool2d(2)
        self.linear1 = nn.Linear(400, 120)
        self.linear2 = nn.Linear(120, 84)
        self.linear3 = nn.Linear(84, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.tanh(self.conv1(image)))
        x = self.pool(torch.tanh(self.conv2(x))).flatten(1)
        x = torch.tanh(self.linear1(x))
        x = torch.tanh(self.linear2(x))
        return self.linear3(x)


torch.manual_seed(0)
model = LeNet5()
example_inputs = (torch.randn(1, 1, 28, 28),)
