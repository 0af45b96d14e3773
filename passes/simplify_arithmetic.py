"""simplify-arithmetic: cheaper operations for the same or a nearly equal value.

Before:  %2 = arith.subf %a, %b ; %3 = arith.divf %2, 4.0
After:   %1 = arith.negf %b ; %2 = arith.addf %a, %1 ; %3 = arith.mulf %2, 0.25

needs: affine programs.
leaves:
    - no subtraction: a + (-b) has the same bits, and one adder serves both;
    - no division by a power of two, and with `--fast-math` none by any constant;
    - powers with a whole exponent up to `max_power` as products, with a larger one as powf; powers of 2 as exp2.
refuses: nothing.
why: a divider is twice as large as an adder. The product with the reciprocal of a power of two has the quotient's bits.
    With the rounded reciprocal of another constant it differs by up to 1 ulp, and (x / 41).floor() by 1, so only
    `--fast-math` allows it (`divide-by-constants` serves the others). Where a power of a number is exact in the format,
    so are the products on the way to it: whole numbers stay whole. Other powers round in other places, which the report
    declares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Constant, Kernel, Operation, Stage, Statement
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext

POWERS = frozenset({"math.powf", "math.fpowi"})


@dataclass(frozen=True)
class SimplifyArithmetic:
    """The pass. No option turns it off; `--fast-math` adds rewrites that round differently.

    `max_power`: the largest exponent that becomes products.
    """

    name: str = "simplify-arithmetic"
    source: str = "affine"
    target: str = "affine"
    max_power: int = 16

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: simplified kernels, and those among them where a rounding changed."""
        kernels = [simplify(kernel, self.max_power, context.options.fast_math) for kernel in program.kernels]
        pairs = [(new, old) for new, old in zip(kernels, program.kernels, strict=True) if new != old]
        inexact = POWERS | ({"arith.divf"} if context.options.fast_math else set())
        rounded = [old.name for _, old in pairs if not inexact.isdisjoint(names_of(old))]
        report = {"simplified": [old.name for _, old in pairs]} if pairs else {}
        return program.with_kernels(kernels), report | ({"rounding": rounded} if rounded else {})


def names_of(kernel: Kernel) -> set[str]:
    """The names of its operations."""
    return {statement.name for statement in kernel.statements() if isinstance(statement, Operation)}


def simplify(kernel: Kernel, max_power: int, fast_math: bool) -> Kernel:
    """The kernel with each operation replaced by cheaper ones where there are such."""
    constants = {s.result: s for s in kernel.statements() if isinstance(s, Constant)}
    stages = []
    for stage in kernel.stages:
        statements: list[Statement] = []
        for statement in stage.statements:
            statements += _replacement(statement, constants, max_power, fast_math)
        stages.append(Stage(stage.carried, tuple(statements), stage.stores))
    return replace(kernel, stages=tuple(stages))


def _replacement(
    statement: Statement, constants: dict[str, Constant], max_power: int, fast_math: bool
) -> list[Statement]:
    if not isinstance(statement, Operation):
        return [statement]
    kind = statement.type
    if statement.name == "arith.subf":
        negated = Operation(
            f"{statement.result}_neg", kind, "arith.negf", (statement.operands[1],), (kind,), source=statement.source
        )
        return [negated, replace(statement, name="arith.addf", operands=(statement.operands[0], negated.result))]
    base = constants.get(statement.operands[0])
    if statement.name == "math.powf" and base is not None and base.bits == number_type(base.type).pattern(2.0):
        return [replace(statement, name="math.exp2", operands=statement.operands[1:], operand_types=(kind,))]
    if statement.name in ("math.fpowi", "math.powf") and statement.operands[1] in constants:
        exponent = _whole_exponent(constants[statement.operands[1]])
        if exponent is not None and abs(exponent) <= max_power:
            return _power(statement, exponent)
        if exponent is not None and statement.name == "math.fpowi":
            as_float = Constant(f"{statement.result}_exponent", kind, number_type(kind).pattern(exponent))
            operands = (statement.operands[0], as_float.result)
            return [as_float, replace(statement, name="math.powf", operands=operands, operand_types=(kind, kind))]
    if statement.name == "arith.divf" and statement.operands[1] in constants:
        bits = _reciprocal(constants[statement.operands[1]], fast_math)
        if bits is not None:
            factor = Constant(f"{statement.result}_factor", kind, bits)
            return [factor, replace(statement, name="arith.mulf", operands=(statement.operands[0], factor.result))]
    return [statement]


def _whole_exponent(exponent: Constant) -> int | None:
    """The value of a constant exponent that is a whole number, or None."""
    value = float(number_type(exponent.type).values_of(exponent.bits)[0])
    return int(value) if value.is_integer() else None


def _power(statement: Operation, exponent: int) -> list[Statement]:
    """x to a whole power by repeated squaring; one division for a negative power."""
    kind, result, made = statement.type, statement.result, list[Statement]()
    one = Constant(f"{result}_one", kind, number_type(kind).pattern(1.0))

    def operation(suffix: str, name: str, left: str, right: str) -> str:
        final = f"{result}{suffix}"
        made.append(Operation(final, kind, name, (left, right), (kind, kind), source=statement.source))
        return final

    if exponent == 0:
        return [Constant(result, kind, one.bits)]
    square, power = statement.operands[0], ""
    for bit in range(abs(exponent).bit_length()):
        if bit:
            square = operation(f"_square{bit}", "arith.mulf", square, square)
        if abs(exponent) >> bit & 1:
            power = operation(f"_power{bit}", "arith.mulf", power, square) if power else square
    if exponent > 0:
        if power == statement.operands[0]:  # x to the first: x·1 has the same bits
            return [
                one,
                Operation(result, kind, "arith.mulf", (power, one.result), (kind, kind), source=statement.source),
            ]
        return _renamed(made, power, result)
    return [
        one,
        *made,
        Operation(result, kind, "arith.divf", (one.result, power), (kind, kind), source=statement.source),
    ]


def _renamed(made: list[Statement], old: str, new: str) -> list[Statement]:
    """`made` with the result `old` called `new`; it is the last."""
    return [replace(s, result=new) if s.result == old else s for s in made]


def _reciprocal(divisor: Constant, rounded: bool) -> int | None:
    """The bits of 1 / divisor; None if that is no normal number or, unless `rounded`, not exact."""
    kind = number_type(divisor.type)
    if kind.format is None or kind.bits > 32:  # float64 does not round to f64
        return None
    value = kind.values_of(divisor.bits).astype(np.float64)
    with np.errstate(all="ignore"):
        bits = int(kind.bits_of((1.0 / value).astype(np.float32))[0])
    if not rounded and math.frexp(float(value[0]))[0] not in (0.5, -0.5):
        return None
    again, low = abs(float(kind.values_of(bits)[0])), 2.0 ** (1 - kind.format.bias)
    normal = low <= again < 2.0 ** (kind.format.bias + 1)
    return bits if normal and abs(float(value[0])) >= low else None  # a subnormal divisor may be flushed
