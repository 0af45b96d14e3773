"""Whole-number division, remainders, signs, powers …: PyTorch's results where torch-mlir has others or none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from torch2hw.frontend.elementary_functions import in_f32


def _whole(*operands: Tensor) -> bool:
    """Whether the operation is one on integers."""
    return not any(each.is_floating_point() for each in operands)


def _promoted(x: Tensor | float, y: Tensor | float) -> tuple[Tensor, Tensor]:
    """Two tensors of one type."""
    kind = torch.result_type(x, y)
    device = next(each.device for each in (x, y) if isinstance(each, Tensor))
    left, right = (
        each.to(kind) if isinstance(each, Tensor) else torch.full((), each, dtype=kind, device=device)
        for each in (x, y)
    )
    return left, right


def _power_of_two(y: Tensor | float) -> int | None:
    """k where `y` is the whole number 2^k."""
    return int(y).bit_length() - 1 if isinstance(y, int) and y > 0 and not y & (y - 1) else None


def _float_power_of_two(y: Tensor | float) -> float | None:
    """`y` where it is a number and a power of two not far from 1."""
    return float(y) if not isinstance(y, Tensor) and 2.0**-60 <= y <= 2.0**60 and math.frexp(y)[0] == 0.5 else None


def _quotient(left: Tensor, right: Tensor) -> Tensor:
    """Of integers, rounded to zero; torch-mlir crashes on narrow ones."""
    wide = torch.promote_types(left.dtype, torch.int32)
    return torch.div(left.to(wide), right.to(wide), rounding_mode="trunc").to(left.dtype)


def fmod(x: Tensor, y: Tensor | float) -> Tensor:
    """The remainder of truncating division, with the sign of x; exact."""
    left, right = _promoted(x, y)
    if _whole(left):
        return left - _quotient(left, right) * right
    scale = _float_power_of_two(y)
    if scale is not None:
        rest = left - torch.trunc(left * (1 / scale)) * scale
        return torch.where((rest == 0) | ~(left.abs() < scale * 2.0**24), left * 0, rest)
    rest = torch.remainder(left.abs(), right.abs())
    return torch.where(rest == 0, left * 0, torch.where(left < 0, -rest, rest))


def remainder(x: Tensor | float, y: Tensor | float) -> Tensor:
    """The remainder of floor division, with the sign of y; exact before y is added."""
    left, right = _promoted(x, y)
    bits = _power_of_two(y)
    if _whole(left) and bits is not None:
        return left & ((1 << bits) - 1)
    if not _whole(left) and _float_power_of_two(y) is None:
        if isinstance(y, Tensor):
            return NotImplemented  # type: ignore[no-any-return]
        exact: Tensor = torch.remainder(left, right)
        return exact
    rest = fmod(left, y)
    return torch.where(_opposite(rest, right), rest + right, rest)


def floor_divide(x: Tensor | float, y: Tensor | float) -> Tensor:
    """`torch.floor_divide`: towards minus infinity, for integers and for floats."""
    left, right = _promoted(x, y)
    if not _whole(left):
        scale = _float_power_of_two(y)
        if scale is None:
            return _float_floor_divide(left, right)
        return torch.where(left.abs() == math.inf, math.nan, torch.floor(left * (1 / scale)))
    bits = _power_of_two(y)
    if bits is not None:
        return left >> bits
    quotient = _quotient(left, right)
    rest = left - quotient * right
    return torch.where(_opposite(rest, right), quotient - 1, quotient)


@in_f32
def _float_floor_divide(x: Tensor, y: Tensor) -> Tensor:
    """As PyTorch: by the exact remainder, so that a quotient just below a whole number is not rounded up to it."""
    rest = fmod(x, y)
    quotient = (x - rest) / y
    quotient = torch.where(_opposite(rest, y), quotient - 1, quotient)
    whole = torch.floor(quotient)
    whole = torch.where(quotient - whole > 0.5, whole + 1, whole)
    ratio = x / y
    return torch.where(y == 0, ratio, torch.where(whole == 0, ratio * 0, whole))


def _opposite(rest: Tensor, divisor: Tensor) -> Tensor:
    """Whether a remainder has another sign than the divisor."""
    return (rest != 0) & ((rest < 0) != (divisor < 0))


def divide(x: Tensor | float, y: Tensor | float, *, rounding_mode: str | None = None) -> Tensor:
    """`torch.div` with a rounding mode. NotImplemented where torch-mlir's own result is PyTorch's."""
    if rounding_mode == "floor":
        return floor_divide(x, y)
    left, right = _promoted(x, y)
    if rounding_mode is None or left.is_floating_point() or torch.iinfo(left.dtype).bits >= 32:
        return NotImplemented  # type: ignore[no-any-return]
    return _quotient(left, right)


def negative(x: Tensor) -> Tensor:
    """Of integers; torch-mlir's goes through f32."""
    return torch.zeros_like(x) - x if _whole(x) else NotImplemented


def signbit(x: Tensor) -> Tensor:
    """Of a NaN: False. The reciprocal root of a negative zero is -∞."""
    return (x < 0) | (torch.rsqrt(x) < 0) if x.is_floating_point() else x < 0


def copysign(x: Tensor, y: Tensor | float) -> Tensor:
    """`torch.copysign`; the sign of -0 and of a NaN counts."""
    x = x if x.is_floating_point() else x.to(torch.result_type(x, torch.empty(1)))
    negative = math.copysign(1, y) < 0 if not isinstance(y, Tensor) else signbit(y)
    size = x.abs()
    return -size if negative is True else size if negative is False else torch.where(negative, -size, size)


def isclose(x: Tensor, y: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """`torch.isclose`; NaN is close to NaN with `equal_nan` alone."""
    close = x == y
    if equal_nan and x.is_floating_point():
        close = close | ((x != x) & (y != y))
    wide = y if x.is_floating_point() else y.to(torch.float32)
    distance = (x - wide).abs()
    return close | (torch.isfinite(distance) & (distance <= atol + (rtol * wide).abs()))


def clamp(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """Of integers between floats; torch-mlir wants both of one kind."""
    if x.is_floating_point() or not any(isinstance(each, float) for each in (low, high)):
        return NotImplemented  # type: ignore[no-any-return]
    low, high = (None if each is None else float(each) for each in (low, high))
    return torch.clamp(x.to(torch.get_default_dtype()), low, high)


def clamp_max(x: Tensor, high: float) -> Tensor:
    """`torch.clamp_max` of integers below a float."""
    return clamp(x, None, high)


def isfinite(x: Tensor) -> Tensor:
    """`torch.isfinite`: false for infinities and NaN; true for every integer."""
    return x.abs() < math.inf if x.is_floating_point() else torch.ones_like(x, dtype=torch.bool)


def power(x: Tensor, exponent: float) -> Tensor:
    """Integers to a whole power of 0 or more; roots as PyTorch takes them, where the exponent is a number; others are
    torch-mlir's."""
    if x.is_floating_point() and exponent in (0.5, -0.5):
        return torch.sqrt(x) if exponent > 0 else torch.rsqrt(x)
    if x.is_floating_point() or not isinstance(exponent, int) or exponent < 0:
        return NotImplemented  # type: ignore[no-any-return]
    result, square = torch.ones_like(x), x
    while exponent:
        result = result * square if exponent & 1 else result
        exponent >>= 1
        square = square * square if exponent else square
    return result


def equal(x: Tensor, y: Tensor) -> Tensor:
    """torch-mlir takes a number to equal itself, NaN too; it knows better about what is not equal."""
    if not x.is_floating_point() and not y.is_floating_point():
        return NotImplemented  # type: ignore[no-any-return]
    return torch.logical_not(torch.ne(x, y))


def _comparison(operation: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, float], Tensor]:
    """With a number of the tensor's kind: torch-mlir compares constants with others wrongly, or crashes."""

    def compare(x: Tensor, y: float) -> Tensor:
        kind = torch.result_type(x, y)
        number = float(y) if kind.is_floating_point else int(y)
        if x.dtype == kind and type(y) is type(number):
            return NotImplemented  # type: ignore[no-any-return]
        return operation(x.to(kind), number)

    return compare


def xor_scalar(x: Tensor, y: int) -> Tensor:
    """`x ^ y` for a number `y`."""
    return torch.bitwise_xor(x, torch.full_like(x, y))


def or_scalar(x: Tensor, y: int) -> Tensor:
    """`x | y` for a number `y`."""
    return torch.bitwise_or(x, torch.full_like(x, y))


def vector_norm(
    x: Tensor, ord: float = 2, dim: list[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """The Euclidean one by a root; of others torch-mlir's powers."""
    if ord != 2 or dtype is not None or not x.is_floating_point():
        return NotImplemented  # type: ignore[no-any-return]
    return torch.sqrt(torch.sum(x * x, dim, keepdim))


def distances(x: Tensor, y: Tensor, p: float, compute_mode: int | None = None) -> Tensor:
    """cdist: between every row of x and every row of y."""
    found: Tensor = torch.linalg.vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), p, -1)
    return found


def matrix_vector(x: Tensor, y: Tensor) -> Tensor:
    """`torch.mv`, as a product of matrices: one kernel of multiply-accumulates."""
    return torch.mm(x, y.unsqueeze(1)).squeeze(1)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """`torch.dot`, as a product of matrices."""
    return torch.mm(x.unsqueeze(0), y.unsqueeze(1)).reshape([])


def add_matrix_vector(x: Tensor, matrix: Tensor, vector: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`torch.addmv`; with `beta` 0, `x` does not count, NaN or not."""
    product = torch.mv(matrix, vector)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return (x if beta == 1 else x * beta) + product


_aten = torch.ops.aten
NUMBERS: dict[Any, Callable[..., Any]] = {
    _aten.fmod.Tensor: fmod,
    _aten.fmod.Scalar: fmod,
    _aten.remainder.Tensor: remainder,
    _aten.remainder.Scalar: remainder,
    _aten.remainder.Scalar_Tensor: remainder,
    _aten.floor_divide.default: floor_divide,
    _aten.floor_divide.Scalar: floor_divide,
    _aten.div.Tensor_mode: divide,
    _aten.div.Scalar_mode: divide,
    _aten.neg.default: negative,
    _aten.signbit.default: signbit,
    _aten.copysign.Tensor: copysign,
    _aten.copysign.Scalar: copysign,
    _aten.isclose.default: isclose,
    _aten.clamp.default: clamp,
    _aten.clamp_min.default: clamp,
    _aten.clamp_max.default: clamp_max,
    _aten.isfinite.default: isfinite,
    _aten.pow.Tensor_Scalar: power,
    _aten.linalg_vector_norm.default: vector_norm,
    _aten.bitwise_xor.Scalar: xor_scalar,
    _aten.bitwise_or.Scalar: or_scalar,
    _aten._cdist_forward.default: distances,
    _aten.mv.default: matrix_vector,
    _aten.dot.default: dot,
    _aten.vdot.default: dot,
    _aten.addmv.default: add_matrix_vector,
    _aten.lt.Scalar: _comparison(torch.lt),
    _aten.le.Scalar: _comparison(torch.le),
    _aten.gt.Scalar: _comparison(torch.gt),
    _aten.ge.Scalar: _comparison(torch.ge),
    _aten.eq.Tensor: equal,
    _aten.eq.Scalar: _comparison(torch.eq),
    _aten.ne.Scalar: _comparison(torch.ne),
}
