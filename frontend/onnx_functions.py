"""What operators of ONNX compute that PyTorch has no single operation for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import _disable_current_modes


def average_pool(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """Means of windows of `x`, (N, C, ...) in two or three dimensions; `padding` is what ONNX calls pads: as many rows
    as each dimension gets in front, then as many as it gets behind. Without `count_include_pad` they do not count."""
    count = len(kernel)
    sides = [each for pair in zip(padding[:count], padding[count:], strict=True) for each in pair]
    pads = [each for k in reversed(range(count)) for each in sides[2 * k : 2 * k + 2]]
    pool = functional.avg_pool2d if count == 2 else functional.avg_pool3d

    def sums(of: Tensor) -> Tensor:
        return pool(functional.pad(of, pads), list(kernel), list(strides), 0, ceil_mode, divisor_override=1)

    with _disable_current_modes():  # a constant, not a part of the graph
        elements = sums(torch.ones(1, 1, *map(int, x.shape[2:])))
        if count_include_pad:
            elements = torch.full_like(elements, math.prod(kernel))
    return sums(x) / elements
