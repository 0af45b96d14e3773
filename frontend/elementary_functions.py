"""Elementary functions that the library has no unit for, of functions that it has; in f32, with the error of each.

Each is written so that no intermediate result overflows, cancels or is NaN where the function itself is not. An error
is the largest that was seen against mpmath, in units in the last place of the result, with the units' own errors in it
(tests/frontend/test_decompositions.py measures the same); zeros keep their sign, NaN gives NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

BIG = 2.0**13
"""From here on asinh and acosh are log(2x) to the last place, and x² is far from overflow."""


def in_f32(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Integers become f32, and so do f16 and bf16, whose results are rounded back; as PyTorch's own kernels do."""

    @functools.wraps(function)
    def widened(*operands: Tensor) -> Tensor:
        kind = functools.reduce(torch.promote_types, (each.dtype for each in operands))
        result = function(*(each.to(torch.float32) for each in operands))
        return result.to(kind) if kind.is_floating_point else result

    return widened


TINY = 2.0**-13
"""Below it sinh, asinh and atanh of x are x to the last place."""


def _odd(magnitude: Tensor, x: Tensor) -> Tensor:
    """`magnitude`, which is not negative, with the sign of `x`; x itself where it is tiny."""
    return torch.where(x.abs() < TINY, x, torch.where(x < 0, -magnitude, magnitude))


@in_f32
def tan(x: Tensor) -> Tensor:
    """sin / cos."""
    return torch.sin(x) / torch.cos(x)


@in_f32
def sinh(x: Tensor) -> Tensor:
    """(t + t / (t + 1)) / 2 with t = e^|x| - 1 = s (s + 2), s = e^(|x|/2) - 1: half of t does not overflow early."""
    s = torch.expm1(x.abs() * 0.5)
    half = (s * 0.5) * (s + 2)
    limited = torch.clamp(half, max=2.0**30)  # the quotient is 1/2 from there on, and nothing beside `half`
    return _odd(half + limited / (limited * 2 + 1), x)


@in_f32
def cosh(x: Tensor) -> Tensor:
    """h + 1 / 4h with h = e^|x| / 2 as a square, which does not overflow early."""
    root = torch.exp(x.abs() * 0.5)
    half = (root * 0.5) * root
    return half + 0.25 / half


@in_f32
def asin(x: Tensor) -> Tensor:
    """atan(x / √((1 - x)(1 + x)))."""
    return torch.atan(x / torch.sqrt((1 - x) * (1 + x)))


@in_f32
def acos(x: Tensor) -> Tensor:
    """2 atan √((1 - x) / (1 + x))."""
    return torch.atan(torch.sqrt((1 - x) / (1 + x))) * 2


@in_f32
def atan2(y: Tensor, x: Tensor) -> Tensor:
    """atan |y / x|, in the quadrant of the point (x, y); zeros and infinities as IEEE 754 has them."""
    height, width = y.abs(), x.abs()
    equal = height == width  # both may be zero, or infinite
    angle = torch.atan(torch.where(equal, 1.0, height / width))
    angle = torch.where(equal & (width == 0), 0.0, angle)
    left = torch.where(x == 0, 1 / x, x) < 0
    angle = torch.where(left, math.pi - angle, angle)
    return torch.where(torch.where(y == 0, 1 / y, y) < 0, -angle, angle)


@in_f32
def asinh(x: Tensor) -> Tensor:
    """log1p(|x| + x² / (1 + √(1 + x²)))."""
    size = x.abs()
    square = torch.clamp(size, max=BIG) * torch.clamp(size, max=BIG)
    near = torch.log1p(size + torch.where(size > BIG, -1.0, square / (1 + torch.sqrt(1 + square))))
    return _odd(torch.where(size > BIG, near + math.log(2), near), x)


@in_f32
def acosh(x: Tensor) -> Tensor:
    """log1p(u + √(u (u + 2))) with u = x - 1."""
    over = x - 1
    limited = torch.clamp(over, max=BIG)
    near = torch.log1p(over + torch.where(over > BIG, 0.0, torch.sqrt(limited * (limited + 2))))
    return torch.where(x < 1, math.nan, torch.where(over > BIG, near + math.log(2), near))


@in_f32
def atanh(x: Tensor) -> Tensor:
    """log1p(2|x| / (1 - |x|)) / 2."""
    size = x.abs()
    return _odd(torch.log1p(size * 2 / (1 - size)) * 0.5, x)


@in_f32
def hypot(x: Tensor, y: Tensor) -> Tensor:
    """m √(1 + (n / m)²), m the larger of |x| and |y|, n the smaller."""
    larger, smaller = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
    ratio = torch.where(larger == smaller, 1.0, smaller / larger)
    length = larger * torch.sqrt(1 + ratio * ratio)
    length = torch.where(larger == 0, larger, length)
    return torch.where((x.abs() == math.inf) | (y.abs() == math.inf), math.inf, length)


ERFCX = (
    0.9647562503814697, -0.5078501105308533, 0.07562153786420822, 0.04777276888489723,
    -0.008116517215967178, -0.009513725526630878, -0.000809832417871803, 0.002011740580201149,
    0.0007807805668562651, -0.0004516669432632625,
)  # fmt: skip
"""erfc(x)·e^(x²)·(x + 1.5) as a polynomial in q = (x - 1.5) / (x + 1.5), from 0.45 to 10.3: a minimax fit in float64,
its coefficients rounded to float32, of relative error 2^-26."""


@in_f32
def erfc(x: Tensor) -> Tensor:
    """1 - erf x below 1/2, where nothing cancels. From there on e^(-x²) P(q) / (x + 1.5) (`ERFCX`), with e^(-x²) as
    e^(-h²) e^((h - x)(h + x)), h of so few bits that its square is exact: the result has 85 times the error of x².
    """
    size = torch.clamp(x.abs(), max=11.0)  # of which the result is 0
    scale = 1 / (size + 1.5)
    q = (size - 1.5) * scale
    scaled = torch.full_like(q, ERFCX[-1])
    for coefficient in reversed(ERFCX[:-1]):
        scaled = scaled * q + coefficient
    high = torch.floor(size * 256) * (1 / 256)
    exponential = torch.exp(-(high * high)) * torch.exp((high - size) * (high + size))
    return torch.where(x < 0.5, 1 - torch.erf(x), exponential * (scaled * scale))


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """PyTorch's tanh form; torch-mlir's has √(2/π) to four digits only. The form with erf is left to it."""
    if approximate != "tanh":
        return NotImplemented  # type: ignore[no-any-return]
    wide = x.to(torch.float32)
    inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * (wide * wide * wide))
    return (0.5 * wide * (1 + torch.tanh(inner))).to(x.dtype)


_aten = torch.ops.aten


def fake_quantize(x: Tensor, scale: float, zero: int, low: int, high: int) -> tuple[Tensor, Tensor]:
    """As PyTorch's kernel: a product with the rounded reciprocal of the scale, to the nearest step, and back; and
    whether that was in range."""
    single = np.float32(scale)
    step = torch.round(x * float(np.float32(1) / single)) + zero
    return (torch.clamp(step, low, high) - zero) * float(single), (step >= low) & (step <= high)


def fake_quantize_enabled(
    x: Tensor, scale: Tensor, zero: Tensor, enabled: Tensor, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """With a scale and a zero in tensors, and a switch, as layers for quantisation-aware training have them."""
    zero = zero.to(x.dtype)
    step = torch.round(x * (1 / scale)) + zero
    inside, on = (step >= low) & (step <= high), enabled != 0
    return torch.where(on, (torch.clamp(step, low, high) - zero) * scale, x), inside | ~on


def fake_quantize_channels(
    x: Tensor, scale: Tensor, zero: Tensor, axis: int, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """With a scale and a zero for each place along an axis."""
    sizes = [-1 if dim == axis % x.dim() else 1 for dim in range(x.dim())]
    scale, zero = scale.reshape(sizes), zero.reshape(sizes).to(x.dtype)
    step = torch.round(x * (1 / scale)) + zero
    return (torch.clamp(step, low, high) - zero) * scale, (step >= low) & (step <= high)


def rrelu(
    x: Tensor, noise: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, _: object = None
) -> tuple[Tensor, Tensor]:
    """In eval mode the slope is the mean of both."""
    if training:
        return NotImplemented  # type: ignore[no-any-return]
    return torch.where(x > 0, x, x * ((lower + upper) / 2)), noise.clone()


def softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """Of one number; torch-mlir never ends on that."""
    return torch.exp(x - x) if x.dim() == 0 else NotImplemented


def log_softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """Of one number."""
    return x - x if x.dim() == 0 else NotImplemented


def logsumexp(x: Tensor, dim: list[int], keepdim: bool = False) -> Tensor:
    """Less the greatest, so that no exponential overflows; of one number that number."""
    if x.dim() == 0:
        return x.clone()
    greatest = x.amax(dim, True)
    shift = torch.where(greatest.abs() == torch.inf, 0, greatest)
    total = torch.exp(x - shift).sum(dim, keepdim).log()
    result: Tensor = total + (shift if keepdim else shift.squeeze(tuple(dim)))
    return result


ELEMENTARY: dict[Any, Callable[..., Any]] = {
    _aten.tan.default: tan,
    _aten.sinh.default: sinh,
    _aten.cosh.default: cosh,
    _aten.asin.default: asin,
    _aten.acos.default: acos,
    _aten.atan2.default: atan2,
    _aten.asinh.default: asinh,
    _aten.acosh.default: acosh,
    _aten.atanh.default: atanh,
    _aten.hypot.default: hypot,
    _aten.erfc.default: erfc,
    _aten.fake_quantize_per_tensor_affine_cachemask.default: fake_quantize,
    _aten.fake_quantize_per_channel_affine_cachemask.default: fake_quantize_channels,
    _aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams.default: fake_quantize_enabled,
    _aten.rrelu_with_noise_functional.default: rrelu,
    _aten.gelu.default: gelu,
    _aten._softmax.default: softmax,
    _aten._log_softmax.default: log_softmax,
    _aten.logsumexp.default: logsumexp,
}
