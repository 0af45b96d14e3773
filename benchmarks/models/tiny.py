"""Networks with random weights: the MLPerf Tiny set (ResNet-8, a keyword spotter, an autoencoder, MobileNetV2 of a
quarter of the width), a transformer encoder layer and a GPT of two layers. Arguments make them smaller.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = type[nn.Module]


def convolution(
    channels_in: int,
    channels: int,
    size: int | tuple[int, int],
    stride: int = 1,
    groups: int = 1,
    act: Activation = nn.ReLU,
) -> nn.Sequential:
    """A padded convolution, batch normalisation and an activation."""
    padding = size // 2 if isinstance(size, int) else (size[0] // 2, size[1] // 2)
    layer = nn.Conv2d(channels_in, channels, size, stride, padding, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(channels), act())


class Residual(nn.Module):
    """Two convolutions of 3 × 3 beside the identity, or beside one of 1 × 1."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels_in, channels, 3, stride), convolution(channels, channels, 3, act=nn.Identity)
        )
        same = stride == 1 and channels_in == channels
        self.beside = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x) + self.beside(x))


class ResNet(nn.Module):
    """ResNet-8 (`blocks` 1) or ResNet-20 (3) for CIFAR-10: three groups of blocks, the mean, a linear layer."""

    def __init__(self, blocks: int = 1, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, width, 3)]
        channels = width
        for group in range(3):
            for block in range(blocks):
                wide = width << group
                layers.append(Residual(channels, wide, 2 if group and not block else 1))
                channels = wide
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(self.layers(x).mean((2, 3)))
        return result


class KeywordSpotter(nn.Module):
    """DS-CNN: a convolution of 10 × 4, `blocks` depthwise separable ones, the mean, a linear layer."""

    def __init__(self, width: int = 64, blocks: int = 4, act: Activation = nn.ReLU) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, (10, 4), 2, (5, 1), bias=False), nn.BatchNorm2d(width), act()]
        for _ in range(blocks):
            layers += [convolution(width, width, 3, groups=width, act=act), convolution(width, width, 1, act=act)]
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Linear(width, 12)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(functional.adaptive_avg_pool2d(self.layers(x), 1).flatten(1))
        return result


class Autoencoder(nn.Module):
    """640 - 128 × 4 - 8 - 128 × 4 - 640, with batch normalisation."""

    def __init__(self, features: int = 640, width: int = 128, deep: int = 4, inner: int = 8) -> None:
        super().__init__()
        sizes = [features, *[width] * deep, inner, *[width] * deep]
        layers: list[nn.Module] = []
        for here, there in pairwise(sizes):
            layers += [nn.Linear(here, there), nn.BatchNorm1d(there), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, features))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class Inverted(nn.Module):
    """MobileNetV2's block: 1 × 1 to more channels, 3 × 3 in each, 1 × 1 to fewer; plus its input where it fits."""

    def __init__(self, channels_in: int, channels: int, stride: int, expansion: int, act: Activation) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.adds = stride == 1 and channels_in == channels
        self.layers = nn.Sequential(
            *([convolution(channels_in, wide, 1, act=act)] if expansion > 1 else []),
            convolution(wide, wide, 3, stride, wide, act),
            convolution(wide, channels, 1, act=nn.Identity),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


MOBILE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of MobileNetV2's groups."""


class MobileNet(nn.Module):
    """MobileNetV2 of `width` times the channels, in multiples of 8, and the first `groups` groups; two classes."""

    def __init__(self, width: float = 0.25, groups: int = 7, act: Activation = nn.ReLU6) -> None:
        super().__init__()
        channels = self.wide(32 * width)
        layers: list[nn.Module] = [convolution(3, channels, 3, 2, act=act)]
        for expansion, wanted, blocks, stride in MOBILE[:groups]:
            for block in range(blocks):
                wide = self.wide(wanted * width)
                layers.append(Inverted(channels, wide, 1 if block else stride, expansion, act))
                channels = wide
        self.layers = nn.Sequential(*layers, convolution(channels, 4 * channels, 1, act=act))
        self.classify = nn.Linear(4 * channels, 2)

    @staticmethod
    def wide(channels: float) -> int:
        return max(8, int(channels + 4) // 8 * 8)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.classify(self.layers(x).mean((2, 3)))
        return result


class GptBlock(nn.Module):
    """Causal attention and a perceptron, each behind a layer normalisation and beside an identity."""

    def __init__(self, tokens: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, 1 / math.sqrt(width // heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("mask", torch.triu(torch.full((tokens, tokens), -math.inf), diagonal=1))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.attend(self.norm1(x)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        weights = torch.softmax(query @ key.transpose(-2, -1) * self.scale + self.mask, dim=-1)
        x = x + self.project((weights @ value).transpose(1, 2).flatten(2))
        result: Tensor = x + self.narrow(functional.gelu(self.widen(self.norm2(x))))
        return result


class Gpt(nn.Module):
    """Tokens, their places, `layers` blocks, a layer normalisation, and the logits of the next token."""

    def __init__(self, tokens: int = 16, width: int = 64, heads: int = 4, layers: int = 2, words: int = 128) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(torch.randn(tokens, width) / 10)
        self.blocks = nn.Sequential(*(GptBlock(tokens, width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.head(self.norm(self.blocks(self.words(tokens) + self.places)))
        return result


def encoder(width: int = 64, heads: int = 4, hidden: int = 128, act: str = "gelu") -> nn.Module:
    """A transformer encoder layer."""
    return nn.TransformerEncoderLayer(width, heads, hidden, activation=act, batch_first=True)


def trained(model: nn.Module) -> nn.Module:
    """The model for inference, its normalisations as if it had seen data: means and variances that are not 0 and 1."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.7, 1.3)
            nn.init.normal_(layer.bias, 0, 0.2)
    return model.eval()
