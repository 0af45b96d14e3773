"""The kernels that Stream-HLS publishes (FPGA 2025), and each in small at the same ratio of its sizes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Product(nn.Module):
    """A matrix product of two inputs."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between, the inner one twice as wide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result


class SelfAttention(nn.Module):
    """Multi-head self-attention with its four linear layers."""

    def __init__(self, length: int, width: int, heads: int) -> None:
        super().__init__()
        self.shape = length, heads, width // heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (layer(x).view(*self.shape).transpose(0, 1) for layer in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) / self.shape[2] ** 0.5
        mixed = torch.softmax(scores, -1) @ value
        result: Tensor = self.out(mixed.transpose(0, 1).reshape(self.shape[0], -1))
        return result


class Residual(nn.Module):
    """Two convolutions of 3 × 3 around a ReLU, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + x)


class DepthwiseSeparable(nn.Module):
    """A convolution of 3 × 3 for each channel, then one of 1 × 1 over the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.pointwise(torch.relu(self.depthwise(x))))


def feed_forward() -> nn.Module:
    return FeedForward(128)


def feed_forward_small() -> nn.Module:
    return FeedForward(16)


def self_attention() -> nn.Module:
    return SelfAttention(64, 128, 8)


def self_attention_small() -> nn.Module:
    return SelfAttention(16, 32, 2)


def residual() -> nn.Module:
    return Residual(16)


def residual_small() -> nn.Module:
    return Residual(4)


def depthwise_separable() -> nn.Module:
    return DepthwiseSeparable(8)


def depthwise_separable_small() -> nn.Module:
    return DepthwiseSeparable(2)
