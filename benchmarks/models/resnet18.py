"""ResNet-18 (He et al. 2016, table 1) at full width with 1000 classes: 11.7 M parameters; an input of 3 × 32 × 32."""

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two convolutions of 3 × 3 and the identity around them, or a convolution of 1 × 1 where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """The stem, four pairs of blocks, the mean over the image, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.blocks = nn.Sequential(
            BasicBlock(64, 64, 1),
            BasicBlock(64, 64, 1),
            BasicBlock(64, 128, 2),
            BasicBlock(128, 128, 1),
            BasicBlock(128, 256, 2),
            BasicBlock(256, 256, 1),
            BasicBlock(256, 512, 2),
            BasicBlock(512, 512, 1),
        )
        self.classify = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        features = self.blocks(self.stem(x)).mean((2, 3))
        result: Tensor = self.classify(features)
        return result


torch.manual_seed(0)
model = ResNet18()
example_inputs = (torch.randn(1, 3, 32, 32),)
