"""requantise-sums: an integer becomes a code of another scale in one unit, without floats between.

Before:  y = float(acc)·s[k] + b[k]; y = max(y, 0); q = int8(clamp(roundeven(y·f) + z, -128, 127))
After:   acc begins with round(b[k] / s[k]); q = requantise(acc, multiplier[k], z, max(z, -128), 127)

needs: affine programs after `integer-sums`.
leaves: no float between such a sum and its code: bias, activation and requantisation are one unit and an integer.
    Clamps by constants (ReLU, ReLU6) are bounds of the code. `multiplier` / 2^shift is s·f: of 15 bits
    (i16) where they are enough for all scales of the program, else of 17, so that kernels share units.
refuses: nothing. A code stays as it is where 17 bits are too few for its scales (MAX_ERROR).
why: the floats would be a conversion, two products, an addition, two comparisons and a conversion back, for each lane
    that ends a sum: 1,500 LUTs and 4 DSPs instead of one and about 80.
The real number before rounding is at most MAX_ERROR steps from that of the floats, so the code is at most one step off:
a declared change of rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.code_sums import CodeSum, FixedSum, code_sum_of, fixed_sum
from torch2hw.analysis.constant_values import FreshNames, as_known, loops_of, values_of
from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.quantised_values import Made, code_of, code_range, decoded, made_by, repeats
from torch2hw.analysis.requantisation import Chain, Fixed, chain_of, fixed_point
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Constant, Kernel, Load, Operation, Stage, Statement, operand_names
from torch2hw.dialects.number_types import integer_for, number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.substitution import substitute_stage
from torch2hw.hwlib import Library
from torch2hw.hwlib.requantise import LEVEL, MULTIPLIERS
from torch2hw.passes.integer_sums import PRODUCT, bias_of
from torch2hw.passes.pass_context import PassContext

REQUANTISE = "hwlib.requantise"
MAX_ONE_DSP_BITS = 27


@dataclass(frozen=True)
class RequantiseSums:
    """The pass. No option turns it off."""

    name: str = "requantise-sums"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels requantise."""
        models: dict[str, str] = {}
        fresh = FreshNames({buffer.name for buffer in program.buffers()})
        alone = each_alone(program, fresh, MULTIPLIERS)
        longest = max((MULTIPLIERS.index(each.operand_types[1]) for each in alone), default=0)
        types = MULTIPLIERS[longest:]
        if longest:
            alone = each_alone(program, fresh, types)
        shifts = tuple(sorted({shift_of(each) for each in alone}))
        kernels = [rewritten(kernel, fresh, shifts, types) for kernel in program.kernels]
        widths: dict[int, int] = {}
        for each in (each for kernel in kernels for each in requantisations(kernel) if is_narrow(each)):
            widths[shift_of(each)] = max(widths.get(shift_of(each), 0), width_of(each))
        kernels = [widened(kernel, widths, context.library, models) for kernel in kernels]
        changed = program.replaced_by(kernels)
        if not changed:
            return program, {}
        report = {"requantised": changed, "rounding": "codes are rounded once, from integers: at most one step"}
        return program.with_kernels(kernels).with_models(models.values()), report


def each_alone(program: Program, fresh: FreshNames, types: Sequence[str]) -> list[Operation]:
    """The requantisations of kernels that need not share units, with the first of these types that is precise enough
    for each; their names may clash."""
    trial = FreshNames(set(fresh.taken))
    return [each for kernel in program.kernels for each in requantisations(rewritten(kernel, trial, (), types))]


def rewritten(
    kernel: Kernel, fresh: FreshNames, shifts: Sequence[int] = (), types: Sequence[str] = MULTIPLIERS
) -> Kernel:
    """`kernel` with its requantisations in one unit each, or itself; with the first of these types of multipliers and
    the least of these shifts that are precise enough, if one is."""
    changed = kernel
    for stage in kernel.stages:
        for statement in stage.statements:
            made = made_by(changed)
            changed = without_repetition(statement, changed, made)
            if statement.result not in made:
                continue
            chain, both = chain_of(made[statement.result], made), code_sum_of(made[statement.result], made)
            found = None
            if chain is not None:
                found = _requantised(chain, changed, fresh, shifts, types)
            elif both is not None:
                found = _requantised_sum(both, changed, fresh, types[0])
            changed = changed if found is None else found
    return changed if changed is kernel else without_dead_values(changed)


def requantisations(kernel: Kernel) -> list[Operation]:
    """The operations that requantise."""
    return [s for s in kernel.statements() if isinstance(s, Operation) and s.name == REQUANTISE]


def shift_of(requantisation: Operation) -> int:
    """The places that it drops."""
    return int(requantisation.predicate or "")


def width_of(requantisation: Operation) -> int:
    """The bits of what is requantised."""
    return number_type(requantisation.operand_types[0]).bits


def is_narrow(requantisation: Operation) -> bool:
    """Whether its product is one DSP."""
    return width_of(requantisation) <= MAX_ONE_DSP_BITS


def widened(kernel: Kernel, widths: Mapping[int, int], library: Library, models: dict[str, str]) -> Kernel:
    """`kernel` with its narrow requantisations of as many bits as there are for their shifts, so that kernels share
    units; software models are added to `models`, by name."""
    stages = []
    for stage in kernel.stages:
        statements: list[Statement] = []
        for statement in stage.statements:
            if not isinstance(statement, Operation) or statement.name not in (REQUANTISE, PRODUCT):
                statements.append(statement)
                continue
            narrow = statement.name == REQUANTISE and is_narrow(statement)
            total, dtype = statement.operands[0], f"i{widths[shift_of(statement)]}" if narrow else ""
            if narrow and statement.operand_types[0] != dtype:
                name, old = f"{statement.result}_extended", statement.operand_types[:1]
                statements.append(Operation(name, dtype, "arith.extsi", (total,), old, source=statement.source))
                operands, types = (name, *statement.operands[1:]), (dtype, *statement.operand_types[1:])
                statement = replace(statement, operands=operands, operand_types=types)
            unit = unit_of(statement, library)
            models[unit.name] = unit.software()
            statements.append(replace(statement, callee=unit.name))
        stages.append(replace(stage, statements=tuple(statements)))
    return replace(kernel, stages=tuple(stages)) if requantisations(kernel) else kernel


def without_repetition(statement: Statement, kernel: Kernel, made: Made) -> Kernel:
    """`kernel` without the code that a statement makes of a code of the same scale."""
    code = code_of(statement, made)
    of = None if code is None else decoded(code.value, made)
    if code is None or of is None or of.type != statement.type or not repeats(code, of):
        return kernel
    instead = {statement.result: of.code}
    without = [_in_place(stage, statement.result, []) for stage in kernel.stages]
    return replace(kernel, stages=tuple(substitute_stage(stage, {}, instead) for stage in without))


def _requantised(
    chain: Chain, kernel: Kernel, fresh: FreshNames, shifts: Sequence[int], types: Sequence[str]
) -> Kernel | None:
    """`kernel` with one operation for the chain."""
    loops = loops_of(chain.known, kernel)
    name, dtype = chain.total.operands[0], chain.total.operand_types[0]
    fixed = fixed_point(chain, loops, number_type(dtype).bits, shifts, types)
    if fixed is None:
        return None
    made: list[Statement] = []
    if fixed.biases.any() or chain.total.name == "arith.uitofp":
        moved = with_start(chain, kernel, name, fixed.biases, loops, fresh)
        if moved is None:
            name, dtype = _added(chain, fixed, loops, kernel, fresh, made)
        else:
            kernel = moved
    stem = chain.code.result
    table = as_known(f"{stem}_multiplier", fixed.type, fixed.multipliers, loops, fresh(f"{kernel.name}_multiplier"))
    made += [table, *_call(chain.code, name, dtype, table, chain.quantised.zero, fixed)]
    return replace(kernel, stages=tuple(_in_place(each, stem, made) for each in kernel.stages))


def _call(
    code: Operation, total: str, dtype: str, multiplier: Statement, zero: int, fixed: Fixed | FixedSum
) -> list[Statement]:
    """The operation that makes the code, after its constants."""
    levels = [
        Constant(f"{code.result}_{which}", LEVEL, value & number_type(LEVEL).mask)
        for which, value in (("zero", zero), ("low", fixed.low), ("high", fixed.high))
    ]
    operands = (total, multiplier.result, *(each.result for each in levels))
    types = (dtype, multiplier.type, *(LEVEL,) * 3)
    return [*levels, Operation(code.result, "i8", REQUANTISE, operands, types, str(fixed.shift), source=code.source)]


def _requantised_sum(both: CodeSum, kernel: Kernel, fresh: FreshNames, dtype: str) -> Kernel | None:
    """`kernel` with integers in the place of a sum of two numbers that codes stand for."""
    loops = loops_of(both.known, kernel)
    fixed = fixed_sum(both, loops)
    if fixed is None:
        return None
    stem, at, made = both.code.result, both.code.source, list[Statement]()

    def operation(suffix: str, dtype: str, name: str, *operands: Statement) -> Operation:
        names, types = tuple(o.result for o in operands), tuple(o.type for o in operands)
        made.append(Operation(f"{stem}_{suffix}", dtype, name, names, types, source=at))
        return made[-1]  # type: ignore[return-value]

    products, low, high = [], int(fixed.offsets.min()), int(fixed.offsets.max())
    for side, term, multipliers in zip("ab", both.terms, fixed.multipliers, strict=True):
        least, greatest = term.range
        kind = integer_for(0, int(multipliers.max()))
        factor = as_known(f"{stem}_{side}_multiplier", kind.name, multipliers, loops, fresh(f"{kernel.name}_{side}"))
        value: Statement = made_by(kernel)[term.code]
        made.append(factor)
        if not term.signed:
            value = operation(f"{side}_wide", integer_for(least, greatest).name, "arith.extui", value)
        width = number_type(value.type).bits + kind.bits
        products.append(operation(f"{side}_product", f"i{width}", PRODUCT, value, factor))
        low, high = low + least * int(multipliers.max()), high + greatest * int(multipliers.max())
    wide = f"i{max(number_type(kind).bits for kind in (integer_for(low, high).name, *(p.type for p in products)))}"
    left, right = (
        each if each.type == wide else operation(f"{side}_term", wide, "arith.extsi", each)
        for side, each in zip("ab", products, strict=True)
    )
    offset = as_known(f"{stem}_offset", wide, fixed.offsets, loops, fresh(f"{kernel.name}_offset"))
    one = Constant(f"{stem}_one", dtype, 1)
    made += [offset, one]
    total = operation("total", wide, "arith.addi", operation("sum", wide, "arith.addi", left, right), offset)
    made += _call(both.code, total.result, wide, one, both.quantised.zero, fixed)
    return replace(kernel, stages=tuple(_in_place(each, stem, made) for each in kernel.stages))


def with_start(
    chain: Chain, kernel: Kernel, total: str, biases: NDArray[np.int64], loops: list[Any], fresh: FreshNames
) -> Kernel | None:
    """`kernel` whose carried sum `total` begins with the biases too, if `integer-sums` has left room for them and
    nothing else uses the sum."""
    first = kernel.stages[0]
    if chain.bias is None or chain.bias.result != bias_of(total):
        return None
    if len(first.carried) != 1 or first.carried[0].next != total or any(s.value == total for s in kernel.stores()):
        return None
    users = [s for each in kernel.stages[1:] for s in each.statements if total in operand_names(s)]
    carried, made = first.carried[0], made_by(kernel)
    start = made[carried.init]
    if len(users) != 1 or not isinstance(start, Constant | Load):
        return None
    if isinstance(start, Load) and (start.buffer.constant is None or start.guard):
        return None
    every = [loop for loop in kernel.loops if loop in loops or loop in loops_of([start], kernel)]
    if any(loop.reduced_by == 0 for loop in every):
        return None
    before = values_of(start, every).astype(np.int64)
    shape = tuple(loop.extent if loop in loops else 1 for loop in every)
    sums = before + biases.reshape(shape)
    new = as_known(f"{start.result}_biased", carried.type, sums, every, fresh(f"{kernel.name}_start"))
    stage = replace(first, carried=(replace(carried, init=new.result),), statements=(*first.statements, new))
    return replace(kernel, stages=(stage, *kernel.stages[1:]))


def _added(
    chain: Chain, fixed: Fixed, loops: list[Any], kernel: Kernel, fresh: FreshNames, made: list[Statement]
) -> tuple[str, str]:
    """The name and type of total + bias, whose statements are added to `made`."""
    stem, (name,), (dtype,) = chain.code.result, chain.total.operands, chain.total.operand_types
    least, greatest = code_range(dtype, chain.total.name == "arith.sitofp")
    wide = integer_for(int(fixed.biases.min()) + least, int(fixed.biases.max()) + greatest).name
    bias = as_known(f"{stem}_bias", wide, fixed.biases, loops, fresh(f"{kernel.name}_bias"))
    extension = "arith.extsi" if chain.total.name == "arith.sitofp" else "arith.extui"
    extended = Operation(f"{stem}_wide", wide, extension, (name,), (dtype,), source=chain.code.source)
    total = Operation(
        f"{stem}_biased", wide, "arith.addi", (extended.result, bias.result), (wide, wide), source=chain.code.source
    )
    made += [extended, bias, total]
    return total.result, wide


def _in_place(stage: Stage, result: str, made: list[Statement]) -> Stage:
    """The stage with statements in the place of the one that gave `result`, if it is in it."""
    return replace(
        stage, statements=tuple(new for s in stage.statements for new in (made if s.result == result else [s]))
    )
