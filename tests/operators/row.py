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

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tests.operators.derived import completed
from tests.operators.operands import Operands

FORMS = ("ordinary", "broadcast", "0-d", "integer", "NaN")
NAMES = "xyzw"


@dataclass(frozen=True, eq=False)
class Row:
    """One operation, one way to write it.

    `operation`: the ATen operation as torch.export names it, without the overload.
    `code`: how a user writes it; the operands are x, y, z and w.
    `given`: operands of some forms; the others that PyTorch computes are made from them (`derived`), but `undefined`
    ones: forms whose result PyTorch leaves open, or that the operation has in name only.
    `codes`: forms that are refused, each with the code of the error; where all that are given are, the others are too.
    `tolerance`: the relative and the absolute distance from PyTorch that floats may have.
    """

    operation: str
    code: str
    given: Mapping[str, Operands]
    codes: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-5
    undefined: Sequence[str] = ()

    @functools.cached_property
    def forms(self) -> dict[str, Operands]:
        """The operands of each form, in the order of `FORMS`."""
        forms = completed(self.function(), self.given)
        return {form: forms[form] for form in FORMS if form in forms and form not in self.undefined}

    @functools.cached_property
    def refused(self) -> dict[str, str]:
        """The code of the error of each form that is refused."""
        if not set(self.given) <= set(self.codes):
            return dict(self.codes)
        return {form: self.codes.get(form, next(iter(self.codes.values()))) for form in self.forms}

    def function(self) -> Callable[..., Any]:
        """The operation as a function of its operands."""
        count = len(next(iter(self.given.values())))
        made: Callable[..., Any] = eval(
            f"lambda {', '.join(NAMES[:count])}: {self.code}", {"torch": torch, "F": nn.functional}
        )
        return made

    def accepted(self) -> dict[str, Operands]:
        """The forms that are compiled."""
        return {form: operands for form, operands in self.forms.items() if form not in self.refused}


class Forms(nn.Module):
    """A model that computes rows' operations, once for each of their forms, from the operands one after the other."""

    def __init__(self, rows: Mapping[Row, Mapping[str, Operands]]) -> None:
        super().__init__()
        self.parts = [(row.function(), len(each)) for row, forms in rows.items() for each in forms.values()]

    def forward(self, *operands: Tensor) -> list[Any]:
        results, first = [], 0
        for compute, count in self.parts:
            results.append(compute(*operands[first : first + count]))
            first += count
        return results


def operands_of(rows: Mapping[Row, Mapping[str, Operands]]) -> Operands:
    """What `Forms` takes."""
    return tuple(operand for forms in rows.values() for each in forms.values() for operand in each)
