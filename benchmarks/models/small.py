"""Small forms of the models that are measured elsewhere: a run takes few enough cycles for a thousand of them, and
tensors are more than one beat of 512 bits, the last one in part, or less than one."""

import torch
from torch import nn


class Ffnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(7, 4), nn.Linear(4, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(torch.relu(self.first(x)))
        return result


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear = nn.Conv2d(2, 2, 3), nn.Linear(2, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear(torch.max_pool2d(torch.relu(self.conv(x)), 2).flatten(1))
        return result


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c1, self.c2 = nn.Conv2d(1, 2, 2), nn.Conv2d(2, 2, 2)
        self.f1, self.f2 = nn.Linear(2, 4), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.max_pool2d(torch.relu(self.c1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.c2(x)), 2)
        result: torch.Tensor = self.f2(torch.relu(self.f1(x.flatten(1))))
        return result


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.attention(x, x, x, need_weights=False)[0]
        return result


class Leaky(nn.Module):
    """Neurons whose potential stays in the model from run to run."""

    potential: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 8)
        self.register_buffer("potential", torch.zeros(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.potential = 0.9 * self.potential + self.layer(x)
        result: torch.Tensor = (self.potential > 0.5).float()
        return result
