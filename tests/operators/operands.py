"""Operands of the operator table: small tensors, the same in every run."""

from __future__ import annotations

import torch
from torch import Tensor

SPECIAL = (torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1.5, -2.5, torch.nan)
Operands = tuple[Tensor, ...]


def _generator(shape: tuple[int, ...], seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(1000 * seed + sum(n * 10**k for k, n in enumerate(shape)))


def f(*shape: int, seed: int = 1) -> Tensor:
    """Ordinary float32."""
    return torch.randn(shape, generator=_generator(shape, seed))


def p(*shape: int, seed: int = 1) -> Tensor:
    """Positive float32, not near zero."""
    return f(*shape, seed=seed).abs() + 0.5


def i(*shape: int, seed: int = 1, low: int = -9, high: int = 10, dtype: torch.dtype = torch.int32) -> Tensor:
    """Integers."""
    return torch.randint(low, high, shape, generator=_generator(shape, seed)).to(dtype)


def c(*shape: int, seed: int = 1) -> Tensor:
    """Integers of 1 or more: divisors, counts."""
    return i(*shape, seed=seed, low=1)


def b(*shape: int, seed: int = 1) -> Tensor:
    """Booleans."""
    return i(*shape, seed=seed, low=0, high=2).bool()


def n(*shape: int, seed: int = 1) -> Tensor:
    """Special values in turns."""
    size = int(torch.Size(shape).numel())
    return torch.tensor([SPECIAL[(k * seed + k // 8) % len(SPECIAL)] for k in range(size)]).reshape(shape)


def x(*sizes: int, high: int, seed: int = 1) -> Tensor:
    """Indices, int64, below `high`."""
    return i(*sizes, seed=seed, low=0, high=high, dtype=torch.int64)


ONE_FLOAT = {"ordinary": (f(2, 3),), "0-d": (f(),), "NaN": (n(2, 4),)}
"""An operand that is a float."""
ONE = ONE_FLOAT | {"integer": (i(2, 3),)}
"""An operand of any type."""
TWO_FLOATS = {
    "ordinary": (f(2, 3), f(2, 3, seed=2)),
    "broadcast": (f(2, 1), f(3)),
    "0-d": (f(2, 3), f()),
    "NaN": (n(2, 8), n(2, 8, seed=3)),
}
TWO = TWO_FLOATS | {"integer": (i(2, 3), i(2, 3, seed=2))}
TWO_DIVIDED = TWO_FLOATS | {"integer": (i(2, 3), c(2, 3, seed=2))}
"""Two operands, the second one not the integer zero."""
TWO_INTEGERS = {"integer": (i(2, 3), i(2, 3, seed=2)), "broadcast": (i(2, 1), i(3)), "0-d": (i(2, 3), i())}
