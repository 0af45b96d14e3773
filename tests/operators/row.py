"""A row of the operator table, and the operands of its forms.

| form      | operands                                                                       |
|-----------|--------------------------------------------------------------------------------|
| ordinary  | float32, shapes that match                                                     |
| broadcast | float32, shapes that PyTorch broadcasts                                        |
| 0-d       | float32, one operand or all of shape ()                                        |
| integer   | int32, int64, uint8 or bool; results are compared exactly                      |
| NaN       | float32 with NaN, infinities and both zeros among the values                   |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

FORMS = ("ordinary", "broadcast", "0-d", "integer", "NaN")
NAMES = "xyzw"
SPECIAL = (torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1.5, -2.5, torch.nan)
Operands = tuple[Tensor, ...]


@dataclass(frozen=True)
class Row:
    """One operation, one way to write it.

    `operation`: the ATen operation as torch.export names it, without the overload.
    `code`: how a user writes it; the operands are x, y, z and w.
    `forms`: the operands of each form. `refused`: forms that are refused, each with the code of the error.
    `tolerance`: the relative and the absolute distance from PyTorch that floats may have.
    """

    operation: str
    code: str
    forms: Mapping[str, Operands]
    refused: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-5

    def function(self) -> Callable[..., Any]:
        """The operation as a function of its operands."""
        count = len(next(iter(self.forms.values())))
        made: Callable[..., Any] = eval(
            f"lambda {', '.join(NAMES[:count])}: {self.code}", {"torch": torch, "F": nn.functional}
        )
        return made

    def accepted(self) -> dict[str, Operands]:
        """The forms that are compiled."""
        return {form: operands for form, operands in self.forms.items() if form not in self.refused}


class Forms(nn.Module):
    """A model that computes a row's operation once for each form, from the operands one after the other."""

    def __init__(self, row: Row, forms: Mapping[str, Operands]) -> None:
        super().__init__()
        self.compute, self.counts = row.function(), [len(operands) for operands in forms.values()]

    def forward(self, *operands: Tensor) -> list[Any]:
        results, first = [], 0
        for count in self.counts:
            results.append(self.compute(*operands[first : first + count]))
            first += count
        return results


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
