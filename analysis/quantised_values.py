"""Which values of a kernel stand for quantised numbers: (q - zero) · scale of an integer q, and the way back to codes.

    decoded:    q → sitofp | uitofp → - zero → · scale
    quantised:  value → · factor → roundeven → + zero → clamp → fptosi → trunci

in the forms in which torch-mlir writes them. Zero points are constants; scales are constants or elements of constants,
one for each channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from torch2hw.dialects.loops import Constant, Kernel, Load, Operation, Statement
from torch2hw.dialects.number_types import number_type

Made = Mapping[str, Statement]
"""The statements of a kernel by the value that they make."""
Factor = Constant | Load

LESS = frozenset({"olt", "ole", "ult", "ule"})
GREATER = frozenset({"ogt", "oge", "ugt", "uge"})
OFFSETS = {"arith.subf": 1, "arith.addf": -1, "arith.subi": 1, "arith.addi": -1}
"""Operations whose second operand is an offset, with the sign that makes it one that is subtracted."""
SAME_SCALE = 2.0**-20
"""How far scale · factor may be from 1 where codes are quantised again with the scale they had: both are rounded."""


@dataclass(frozen=True)
class Decoded:
    """(`code` - `zero`) · `scale`; `code` is an integer value of type `type`, i8 so far, `signed` or not."""

    code: str
    type: str
    signed: bool
    zero: int
    scale: Factor

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest code."""
        return code_range(self.type, self.signed)


@dataclass(frozen=True)
class Quantised:
    """clamp(roundeven(`value` · `factor`) + `zero`, `low`, `high`) as a code."""

    value: str
    factor: Factor
    zero: int
    low: int
    high: int


def code_range(dtype: str, signed: bool) -> tuple[int, int]:
    """The least and the greatest code of a type."""
    bits = number_type(dtype).bits
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def made_by(kernel: Kernel) -> dict[str, Statement]:
    """The statements of a kernel by the value that they make."""
    return {statement.result: statement for statement in kernel.statements()}


def number(statement: Statement | None) -> float | None:
    """The value of a float constant."""
    if not isinstance(statement, Constant) or not number_type(statement.type).is_float:
        return None
    return float(number_type(statement.type).values_of(statement.bits)[0])


def integer(statement: Statement | None) -> int | None:
    """The value of an integer constant, or of a float constant that is a whole number."""
    if isinstance(statement, Constant) and not number_type(statement.type).is_float:
        return number_type(statement.type).signed_integer(statement.bits)
    value = number(statement)
    return int(value) if value is not None and np.isfinite(value) and value == int(value) else None


def factor_of(name: str, made: Made) -> Factor | None:
    """The value if it is a float constant, or an element of one."""
    statement = made.get(name)
    if isinstance(statement, Constant) and statement.type == "f32":
        return statement
    if isinstance(statement, Load) and statement.buffer.constant is not None and statement.type == "f32":
        return None if statement.guard else statement
    return None


def with_factor(name: str, made: Made, operation: str = "arith.mulf") -> tuple[str, Factor] | None:
    """The operands of `name` where it is an operation of a value and a factor."""
    statement = made.get(name)
    if not (isinstance(statement, Operation) and statement.name == operation):
        return None
    for value, other in (statement.operands, statement.operands[::-1]):
        factor = factor_of(other, made)
        if factor is not None and factor_of(value, made) is None:
            return value, factor
    return None


def decoded(name: str, made: Made) -> Decoded | None:
    """The value as one that stands for a code, if it does."""
    scaled = with_factor(name, made)
    if scaled is None:
        return None
    value, zero = without_offset(scaled[0], made)
    converted = made.get(value)
    if not isinstance(converted, Operation) or converted.name not in ("arith.sitofp", "arith.uitofp"):
        return None
    code, signed = converted.operands[0], converted.name == "arith.sitofp"
    code, offset = without_offset(code, made)
    widened = made.get(code)
    if isinstance(widened, Operation) and widened.name in ("arith.extsi", "arith.extui"):
        code, signed = widened.operands[0], widened.name == "arith.extsi"
    of = made.get(code)
    if of is None or of.type != "i8":
        return None
    return Decoded(code, of.type, signed, zero + offset, scaled[1])


def without_offset(name: str, made: Made) -> tuple[str, int]:
    """A float or an integer without the whole number that is subtracted from it, and that number."""
    statement = made.get(name)
    if isinstance(statement, Operation) and statement.name in OFFSETS:
        amount = integer(made.get(statement.operands[1]))
        if amount is not None:
            return statement.operands[0], OFFSETS[statement.name] * amount
    return name, 0


def quantised(name: str, made: Made) -> Quantised | None:
    """The code as one that is made of a float, if it is."""
    statement = made.get(name)
    if isinstance(statement, Operation) and statement.name == "arith.trunci":
        statement = made.get(statement.operands[0])
    if not (isinstance(statement, Operation) and statement.name in ("arith.fptosi", "arith.fptoui")):
        return None
    value, low, high = clamped(statement.operands[0], made)
    value, zero = without_offset(value, made)
    rounded = made.get(value)
    if not (isinstance(rounded, Operation) and rounded.name == "math.roundeven"):
        return None
    if low != int(low) or high != int(high) or max(-low, high) > 1 << 15:
        return None
    scaled = with_factor(rounded.operands[0], made)
    return None if scaled is None else Quantised(*scaled, -zero, int(low), int(high))


def code_of(statement: Statement, made: Made) -> Quantised | None:
    """The code that a statement makes of a float, if it makes one; int8's so far."""
    return quantised(statement.result, made) if isinstance(statement, Operation) and statement.type == "i8" else None


def clamped(name: str, made: Made) -> tuple[str, float, float]:
    """A value without the clamps by constants that make it, and their bounds (infinite where there is none)."""
    low, high = -np.inf, np.inf
    while (step := _clamp(made.get(name), made)) is not None:
        name, bound, is_lower = step
        if is_lower:
            low, high = max(low, bound), max(high, bound)
        else:
            low, high = min(low, bound), min(high, bound)
    return name, float(low), float(high)


def _clamp(statement: Statement | None, made: Made) -> tuple[str, float, bool] | None:
    """The value and the bound of one maximum (true) or minimum with a constant."""
    if not isinstance(statement, Operation):
        return None
    if statement.name in ("arith.maximumf", "arith.minimumf"):
        for value, other in (statement.operands, statement.operands[::-1]):
            bound = number(made.get(other))
            if bound is not None:
                return value, bound, statement.name == "arith.maximumf"
    if statement.name != "arith.select":
        return None
    condition, chosen, other = statement.operands
    test = made.get(condition)
    if not (isinstance(test, Operation) and test.name == "arith.cmpf"):
        return None
    for value, bound_name in ((chosen, other), (other, chosen)):
        bound = number(made.get(bound_name))
        compared = number(made.get(test.operands[1]))
        if bound is None or compared != bound or test.operands[0] != value:
            continue
        if test.predicate in LESS:
            return value, bound, chosen != value
        if test.predicate in GREATER:
            return value, bound, chosen == value
    return None


def repeats(code: Quantised, of: Decoded) -> bool:
    """Whether quantising what codes stand for gives the codes again."""
    scale, factor = number(of.scale), number(code.factor)
    if scale is None or factor is None or code.zero != of.zero:
        return False
    least, greatest = of.range
    return abs(scale * factor - 1) <= SAME_SCALE and code.low <= least and greatest <= code.high
