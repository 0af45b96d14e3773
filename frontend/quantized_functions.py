"""Quantise and dequantise, as `convert_pt2e` writes them into a graph, in PyTorch's own arithmetic.

A code q of an integer tensor stands for (q - zero_point) · scale. Rounding is to nearest even and the scale is
multiplied with as its float64 reciprocal, rounded once, as PyTorch's kernels do; torch-mlir's own lowering divides.
Quantised tensors are tensors of int8, uint8, int16 or int32 codes: nothing else in the compiler knows of quantisation
before the loop level, where `integer-sums` makes integer arithmetic of what stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LIBRARY = "quantized_decomposed"


def quantize_per_tensor(
    x: Tensor, scale: float, zero_point: int, quant_min: int, quant_max: int, dtype: torch.dtype
) -> Tensor:
    """Codes of type `dtype`, from `quant_min` to `quant_max`."""
    return _codes(torch.round(x.float() * (1.0 / scale)) + zero_point, quant_min, quant_max, dtype)


def dequantize_per_tensor(
    x: Tensor,
    scale: float,
    zero_point: int,
    quant_min: int,
    quant_max: int,
    dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """The numbers that codes stand for."""
    return ((x.float() - zero_point) * scale).to(out_dtype or torch.float32)


def quantize_per_channel(
    x: Tensor, scales: Tensor, zero_points: Tensor, axis: int, quant_min: int, quant_max: int, dtype: torch.dtype
) -> Tensor:
    """Codes of type `dtype`; each index of dimension `axis` has its scale and its zero point."""
    steps = torch.round(x.float() * (1.0 / _along(scales, x, axis)))
    return _codes(steps + _along(zero_points, x, axis), quant_min, quant_max, dtype)


def dequantize_per_channel(
    x: Tensor,
    scales: Tensor,
    zero_points: Tensor | None,
    axis: int,
    quant_min: int,
    quant_max: int,
    dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """The numbers that codes stand for; each index of dimension `axis` has its scale and its zero point."""
    steps = x.float() if zero_points is None else x.float() - _along(zero_points, x, axis)
    return (steps * _along(scales, x, axis)).to(out_dtype or torch.float32)


def _along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """One value for each index of a dimension of `x`, as a float that broadcasts with it."""
    return values.float().view([-1 if d == axis % x.dim() else 1 for d in range(x.dim())])


def _codes(steps: Tensor, quant_min: int, quant_max: int, dtype: torch.dtype) -> Tensor:
    return torch.clamp(steps, quant_min, quant_max).to(dtype)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (quantize_per_tensor, dequantize_per_tensor, quantize_per_channel, dequantize_per_channel)
}


def quantized_functions() -> dict[Any, Callable[..., Any]]:
    """By overload; none where nothing has registered PyTorch's quantised operations, so that no graph has them."""
    library = getattr(torch.ops, LIBRARY)
    return {getattr(library, name).default: made for name, made in FUNCTIONS.items() if hasattr(library, name)}


def is_quantized_function(name: str) -> bool:
    """Whether an operation, named as in `quantized_decomposed.quantize_per_tensor`, is one of those above."""
    library, _, operation = name.partition(".")
    return library == LIBRARY and operation in FUNCTIONS
