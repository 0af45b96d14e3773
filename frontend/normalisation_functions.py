"""Batch normalisation with the statistics of training: PyTorch's own formula, in the fewest operations.

PyTorch's decomposition copies the statistics and adds each dimension by itself; tracing all that took a tenth of
MobileNetV2's compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, momentum: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`x` of shape (N, C, …) and four tensors of shape (C,): the result, and two empty tensors for what training saves.

    Computed in float32 at least, and rounded to the type of `x` once.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    shape = (-1,) + (1,) * (x.dim() - 2)
    deviation = torch.sqrt(variance.to(wide) + eps)
    result = (x - mean.to(wide).reshape(shape)) * torch.reciprocal(deviation).reshape(shape)
    if weight is not None:
        result = result * weight.reshape(shape)
    if bias is not None:
        result = result + bias.reshape(shape)
    unused = x.new_zeros(0)
    return result.to(x.dtype), unused, unused


NORMALISATION: dict[Any, Callable[..., Any]] = {torch.ops.aten._native_batch_norm_legit_no_training.default: batch_norm}
