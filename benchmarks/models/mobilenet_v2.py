"""MobileNetV2 (Sandler et al. 2018, table 2), width 1.0, 1000 classes: 3.5 M parameters; an input of 3 × 32 × 32."""

import torch
from torch import Tensor, nn

# expansion, channels, blocks, stride of the first of them
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def convolution(channels_in: int, channels: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, batch normalisation, and a rectifier that saturates at 6."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """1 × 1 to more channels, 3 × 3 in each channel, 1 × 1 to fewer; plus its input where the shapes agree."""

    def __init__(self, channels_in: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.adds = stride == 1 and channels_in == channels
        self.layers = nn.Sequential(
            *([convolution(channels_in, wide, 1)] if expansion > 1 else []),
            convolution(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """A convolution, seventeen inverted residuals, a convolution of 1 × 1, the mean over the image, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, 32, 3, 2)]
        channels_in = 32
        for expansion, channels, blocks, first_stride in STAGES:
            for number in range(blocks):
                stride = first_stride if number == 0 else 1
                layers.append(InvertedResidual(channels_in, channels, stride, expansion))
                channels_in = channels
        self.features = nn.Sequential(*layers, convolution(channels_in, 1280, 1))
        self.classify = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(self.features(x).mean((2, 3)))
        return result


torch.manual_seed(0)
model = MobileNetV2()
example_inputs = (torch.randn(1, 3, 32, 32),)
