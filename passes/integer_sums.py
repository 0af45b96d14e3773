"""integer-sums: sums of products of quantised numbers are sums of integers, and the scales are applied once, after.

Before:  acc = b[k]; for i { acc += ((x[i] - 3)·0.1)·(w[i, k]·s[k]) }
After:   acc = -3·Σ w[i, k]; for i { acc += x[i]·w[i, k] }; y = acc·(0.1·s[k]) + b[k]

needs: affine programs in which the sums read codes (`read-codes`).
leaves: sums of integers of just enough bits, exact whatever the order; one float product for each sum. What a zero
    point makes of constant weights is what the sum begins with; without constants it is subtracted before.
refuses: nothing. A sum stays in floats where it may have more than MAX_BITS, where a scale changes within it, and
    where it begins with what is no constant.
why: a product of codes is one DSP and their sum a plain adder, of one cycle: a quarter of the memory, a twentieth of
    the LUTs. The sum itself is exact and the scale is rounded once: a declared change of rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torch2hw.analysis import integer_bounds
from torch2hw.analysis.constant_values import FreshNames, Known, as_known, loops_of, product
from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.integer_bounds import Bounds
from torch2hw.analysis.quantised_values import Decoded, decoded, made_by, number
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    Kernel,
    Load,
    Operation,
    Stage,
    Statement,
    operand_names,
)
from torch2hw.dialects.number_types import NumberType, integer_for, number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.substitution import substitute_stage
from torch2hw.hwlib import Library
from torch2hw.passes.pass_context import PassContext

MAX_BITS = 32
UNSIGNED = "u8"
PRODUCT = "hwlib.product"
TOTAL, BIAS = "_total", "_bias"


@dataclass(frozen=True)
class IntegerSums:
    """The pass. No option turns it off."""

    name: str = "integer-sums"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels have sums of integers, and of how many bits."""
        models: dict[str, str] = {}
        fresh = FreshNames({buffer.name for buffer in program.buffers()})
        bits = weight_bits(program.kernels)
        kernels = [rewritten(kernel, context.library, fresh, models, bits) for kernel in program.kernels]
        changed = [
            f"{new.name}: {new.stages[0].carried[0].type}"
            for new, old in zip(kernels, program.kernels, strict=True)
            if new is not old
        ]
        if not changed:
            return program, {}
        report = {"sums of integers": changed, "rounding": "scales are applied once, after exact sums"}
        return program.with_kernels(kernels).with_models(models.values()), report


@dataclass(frozen=True)
class Sum:
    """A sum of one or two factors in each iteration, each a quantised number; `bias` is what it begins with."""

    carried: Carried
    terms: tuple[Decoded, ...]
    bias: Known


def weight_bits(kernels: Iterable[Kernel]) -> int:
    """The bits of weights, as many as the widest of the program needs: kernels take turns with units of one width."""
    bits = [2]
    for kernel in kernels:
        found = sum_of(kernel)
        position = None if found is None else weights_of(found, kernel)
        if found is None or position is None:
            continue
        load = made_by(kernel)[found.terms[position].code]
        if isinstance(load, Load) and _is_plain(found.terms[position]):
            bits.append(_narrowest(load.buffer).bits)
    return max(bits)


def _is_plain(term: Decoded) -> bool:
    """Whether the codes are the numbers, but for a scale."""
    return term.zero == 0 and term.signed


def _narrowest(buffer: Buffer) -> NumberType:
    """The fewest bits that hold a signed constant's elements."""
    assert buffer.data is not None
    values = number_type(buffer.value_type).values_of(buffer.data)
    return integer_for(int(values.min()), int(values.max()))


def rewritten(kernel: Kernel, library: Library, fresh: FreshNames, models: dict[str, str], bits: int) -> Kernel:
    """`kernel` with a sum of integers, or itself; the software models of its units are added to `models`, by name.
    `bits` are those of weights."""
    found = sum_of(kernel)
    if found is None or len(kernel.stages) < 2:
        return kernel
    weights = weights_of(found, kernel)
    bounds = bounds_of(found, weights, kernel)
    least, greatest = integer_bounds.with_bias(bounds, found.bias, [term.scale for term in found.terms], kernel)
    kind = integer_for(least, greatest)
    if kind.bits > MAX_BITS:
        return kernel
    body = _Integers(kernel, found.carried.next, kind.name, fresh, bits)
    keeps_zero = weights is not None or len(found.terms) == 1
    values = [
        body.weight(term) if weights == position else body.factor(term, keeps_zero)
        for position, term in enumerate(found.terms)
    ]
    term = values[0] if len(values) == 1 else body.product(values[0], values[1], library, models)
    carried = body.total(found.carried, term, bounds)
    scaled = _scaled(found, carried, kernel, fresh)
    first, *later = kernel.stages
    instead = {found.carried.next: scaled[-1].result}
    later = [substitute_stage(stage, {}, instead) for stage in later]
    later[0] = replace(later[0], statements=(*scaled, *later[0].statements))
    sums = Stage((carried,), (*first.statements, *body.statements))
    return without_dead_values(replace(kernel, stages=(sums, *later)))


def sum_of(kernel: Kernel) -> Sum | None:
    """The sum of the first stage, if it is one of quantised numbers, with scales that are the same in all of it."""
    stage = kernel.stages[0]
    if len(stage.carried) != 1 or stage.stores:
        return None
    carried, made = stage.carried[0], made_by(kernel)
    step = made.get(carried.next)
    if not (isinstance(step, Operation) and step.name == "arith.addf" and step.operands.count(carried.name) == 1):
        return None
    if any({carried.name, carried.next} & operand_names(s) for s in stage.statements if s is not step):
        return None
    term = next(name for name in step.operands if name != carried.name)
    both = made.get(term)
    terms: list[Decoded | None] = [decoded(term, made)]
    if terms[0] is None and isinstance(both, Operation) and both.name == "arith.mulf":
        terms = [decoded(name, made) for name in both.operands]
    found = [each for each in terms if each is not None]
    bias = made.get(carried.init)
    if len(found) != len(terms) or not is_known(bias, kernel) or not all(is_known(t.scale, kernel) for t in found):
        return None
    assert isinstance(bias, Constant | Load)
    return Sum(carried, tuple(found), bias)


def is_known(statement: Statement | None, kernel: Kernel) -> bool:
    """Whether it is a constant, or an element of one that is the same in all of the first stage's reduction."""
    if isinstance(statement, Constant):
        return True
    if not isinstance(statement, Load) or statement.buffer.constant is None or statement.guard:
        return False
    parallel = {loop.variable for loop in kernel.loops if loop.reduced_by != 0}
    return all(v in parallel for index in statement.indices for v in index.variables())


def bias_of(total: str) -> str:
    """The name of the bias that the type of the sum `total` has room for."""
    return total.removesuffix(TOTAL) + BIAS


def weights_of(found: Sum, kernel: Kernel) -> int | None:
    """Which of two factors is a constant, if just one is."""
    known = {loop.variable for loop in kernel.loops}
    constant = []
    for position, term in enumerate(found.terms):
        load = made_by(kernel)[term.code]
        if not isinstance(load, Load) or load.buffer.constant is None or load.guard:
            continue
        if all(v in known for index in load.indices for v in index.variables()):
            constant.append(position)
    return constant[0] if len(constant) == 1 and len(found.terms) == 2 else None


def bounds_of(found: Sum, weights: int | None, kernel: Kernel) -> Bounds:
    """What the sum is at least and at most, and what it begins with."""
    if weights is not None:
        load = made_by(kernel)[found.terms[weights].code]
        assert isinstance(load, Load)
        if not found.terms[weights].signed:
            load = replace(load, type=UNSIGNED)
        return integer_bounds.of_weighted(found.terms[1 - weights], load, found.terms[weights].zero, kernel)
    if len(found.terms) == 1:
        return integer_bounds.of_numbers(found.terms[0], kernel)
    left, right = found.terms
    return integer_bounds.of_products(left, right, kernel)


@dataclass
class _Integers:
    """The statements of the new sum; their names begin with `stem`. `dtype` is the sum's type; of weights are
    `weight_bits`."""

    kernel: Kernel
    stem: str
    dtype: str
    fresh: FreshNames
    weight_bits: int
    statements: list[Statement] = field(default_factory=list)

    def operation(self, suffix: str, dtype: str, name: str, *operands: Statement) -> Operation:
        names, types = tuple(each.result for each in operands), tuple(each.type for each in operands)
        made = Operation(f"{self.stem}_{suffix}", dtype, name, names, types, source=self.kernel.source)
        self.statements.append(made)
        return made

    def resized(self, value: Any, dtype: str, signed: bool = True) -> Any:
        """`value` in another number of bits."""
        if value.type == dtype:
            return value
        wider = number_type(value.type).bits < number_type(dtype).bits
        name = ("arith.extsi" if signed else "arith.extui") if wider else "arith.trunci"
        return self.operation(f"{value.result}_as_{dtype}", dtype, name, value)

    def weight(self, term: Decoded) -> Load:
        """The constant, without its zero point and in fewer bits: in a memory of its own where it has them."""
        load = made_by(self.kernel)[term.code]
        assert isinstance(load, Load) and load.buffer.data is not None
        if _is_plain(term):
            return load if number_type(load.type).bits <= self.weight_bits else self._narrowed(load)
        values = number_type(load.type if term.signed else UNSIGNED).values_of(load.buffer.data)
        steps = values.astype(np.int64) - term.zero
        kind = integer_for(int(steps.min()), int(steps.max()))
        name = self.fresh(f"{load.buffer.name}_steps")
        buffer = replace(load.buffer, name=name, dtype=kind.name, data=kind.bits_of(steps))
        made = replace(load, result=f"{self.stem}_weight", type=kind.name, buffer=buffer)
        self.statements.append(made)
        return made

    def _narrowed(self, load: Load) -> Load:
        """A load of the same numbers, stored in `weight_bits`."""
        kind = number_type(f"i{self.weight_bits}")
        assert load.buffer.data is not None
        values = number_type(load.type).values_of(load.buffer.data)
        name = self.fresh(f"{load.buffer.name}_narrow")
        buffer = replace(load.buffer, name=name, dtype=kind.name, data=kind.bits_of(values))
        made = replace(load, result=f"{self.stem}_weight", type=kind.name, buffer=buffer)
        self.statements.append(made)
        return made

    def factor(self, term: Decoded, keeps_zero: bool) -> Any:
        """The code; without its zero point, unless that is accounted for where the sum begins."""
        code = made_by(self.kernel)[term.code]
        least, greatest = term.range
        if keeps_zero or term.zero == 0:
            return self.resized(code, integer_for(least, greatest).name, term.signed)
        low, high = integer_bounds.span(term)
        kind = integer_for(min(low, least, term.zero), max(high, greatest, term.zero))
        zero = Constant(f"{self.stem}_{code.result}_zero", kind.name, term.zero & kind.mask)
        wide = self.resized(code, kind.name, term.signed)
        self.statements.append(zero)
        return self.operation(f"{code.result}_steps", kind.name, "arith.subi", wide, zero)

    def product(self, left: Any, right: Any, library: Library, models: dict[str, str]) -> Operation:
        """The exact product."""
        exact = f"i{number_type(left.type).bits + number_type(right.type).bits}"
        made = self.operation("product", exact, PRODUCT, left, right)
        unit = unit_of(made, library)
        models[unit.name] = unit.software()
        self.statements[-1] = replace(made, callee=unit.name)
        return made

    def total(self, old: Carried, term: Any, bounds: Bounds) -> Carried:
        """The carried sum, beginning with what the zero points make."""
        kind = number_type(self.dtype)
        start = as_known(
            f"{self.stem}_start",
            self.dtype,
            bounds.start.astype(np.int64),
            bounds.loops,
            self.fresh(f"{self.kernel.name}_start"),
        )
        self.statements.append(start)
        before = Constant(f"{old.name}_sum", kind.name, 0)  # stands for the carried value, which is no statement
        total = self.operation(
            TOTAL.removeprefix("_"), self.dtype, "arith.addi", before, self.resized(term, self.dtype)
        )
        return Carried(before.result, self.dtype, start.result, total.result)


def _scaled(found: Sum, carried: Carried, kernel: Kernel, fresh: FreshNames) -> list[Statement]:
    """The sum as a float: times its scale, and what it began with added."""
    stem, at = found.carried.next, kernel.source
    scales = [term.scale for term in found.terms]
    loops = loops_of(scales, kernel)
    steps = product(scales, loops).astype(np.float32)
    scale = as_known(f"{stem}_scale", "f32", steps, loops, fresh(f"{kernel.name}_scale"))
    value = Operation(f"{stem}_float", "f32", "arith.sitofp", (carried.next,), (carried.type,), source=at)
    names, types = (value.result, scale.result), ("f32", "f32")
    result = Operation(f"{stem}_scaled", "f32", "arith.mulf", names, types, source=at)
    made: list[Statement] = [value, scale, result]
    if number(found.bias if isinstance(found.bias, Constant) else None) != 0.0:
        bias = replace(found.bias, result=f"{stem}{BIAS}")
        names = (result.result, bias.result)
        made += [bias, Operation(f"{stem}_value", "f32", "arith.addf", names, types, source=at)]
    return made
