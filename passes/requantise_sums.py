"""requantise-sums: an integer becomes a code of another scale in one unit, without floats between.

Before:  y = float(acc)·s[k] + b[k]; y = max(y, 0); q = int8(clamp(roundeven(y·f) + z, -128, 127))
After:   acc begins with round(b[k] / s[k]); q = requantise(acc, multiplier[k], z, max(z, -128), 127)

needs: affine programs after `integer-sums`.
leaves: no float between such a sum and its code: bias, activation and requantisation are one unit and an integer.
    Clamps by constants (ReLU, ReLU6) are bounds of the code. `multiplier` / 2^shift is s·f with at most 17 bits.
refuses: nothing. A code stays as it is where 17 bits are too few for its scales (MAX_ERROR).
why: the floats would be a conversion, two products, an addition, two comparisons and a conversion back, for each lane
    that ends a sum: 1,500 LUTs and 4 DSPs instead of one and about 80.
The real number before rounding is at most MAX_ERROR steps from that of the floats, so the code is at most one step off:
a declared change of rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.constant_values import FreshNames, Known, as_known, loops_of, values_of
from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.quantised_values import (
    Made,
    Quantised,
    clamped,
    code_range,
    decoded,
    made_by,
    quantised,
    repeats,
    with_factor,
    without_offset,
)
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import (
    Constant,
    Kernel,
    Load,
    Operation,
    Stage,
    Statement,
    operand_names,
)
from torch2hw.dialects.number_types import integer_for, number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.substitution import substitute_statement, substitute_store
from torch2hw.hwlib import Library
from torch2hw.hwlib.requantise import LEVEL, MULTIPLIER, SHIFTS
from torch2hw.passes.pass_context import PassContext

REQUANTISE = "hwlib.requantise"
MAX_ERROR = 1 / 16
MULTIPLIER_BITS = 17


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
        kernels = [rewritten(kernel, context.library, fresh, models) for kernel in program.kernels]
        changed = [new.name for new, old in zip(kernels, program.kernels, strict=True) if new is not old]
        if not changed:
            return program, {}
        every = tuple(dict.fromkeys((*program.models, *models.values())))
        report = {"requantised": changed, "rounding": "codes are rounded once, from integers: at most one step"}
        return replace(program.with_kernels(kernels), models=every), report


@dataclass(frozen=True)
class Chain:
    """A code that is made of an integer: quantised(clamp((`total` - `zero`) · `scale` + `bias`, `low`, `high`))."""

    code: Operation
    quantised: Quantised
    total: Operation
    zero: int
    scale: Known
    bias: Known | None
    low: float
    high: float


def rewritten(kernel: Kernel, library: Library, fresh: FreshNames, models: dict[str, str]) -> Kernel:
    """`kernel` with its requantisations in one unit each, or itself; software models are added to `models`, by name."""
    changed = kernel
    for number, stage in enumerate(kernel.stages):
        for statement in stage.statements:
            made = made_by(changed)
            changed = without_repetition(statement, changed, made)
            chain = chain_of(made[statement.result], made) if statement.result in made else None
            found = None if chain is None else _requantised(chain, number, changed, library, fresh)
            if found is not None:
                changed, unit = found
                models[unit.name] = unit.software()
    return changed if changed is kernel else without_dead_values(changed)


def chain_of(statement: Statement, made: Made) -> Chain | None:
    """The way from an integer to the code, if the statement is such a code."""
    if not isinstance(statement, Operation) or statement.type != "i8":
        return None
    code = quantised(statement.result, made)
    if code is None:
        return None
    value, low, high = clamped(code.value, made)
    biased = with_factor(value, made, "arith.addf")
    bias: Known | None = None
    if biased is not None:
        value, bias = biased
    scaled = with_factor(value, made)
    if scaled is None:
        return None
    value, scale = scaled
    value, zero = without_offset(value, made)
    total = made.get(value)
    if not (isinstance(total, Operation) and total.name in ("arith.sitofp", "arith.uitofp")):
        return None
    return Chain(statement, code, total, zero, scale, bias, low, high)


def without_repetition(statement: Statement, kernel: Kernel, made: Made) -> Kernel:
    """`kernel` without the code that a statement makes of a code of the same scale."""
    if not isinstance(statement, Operation) or statement.type != "i8" or statement.result not in made:
        return kernel
    code = quantised(statement.result, made)
    of = None if code is None else decoded(code.value, made)
    if code is None or of is None or of.type != statement.type or not repeats(code, of):
        return kernel
    instead = {statement.result: of.code}
    stages = [
        Stage(
            stage.carried,
            tuple(substitute_statement(s, {}, instead) for s in stage.statements if s is not statement),
            tuple(substitute_store(store, {}, instead) for store in stage.stores),
        )
        for stage in kernel.stages
    ]
    return replace(kernel, stages=tuple(stages))


@dataclass(frozen=True)
class Fixed:
    """A requantisation in integers: `multipliers` and `biases`, an axis for each of `loops`."""

    multipliers: NDArray[np.int64]
    biases: NDArray[np.int64]
    shift: int
    low: int
    high: int


def fixed_point(chain: Chain, loops: list[Any], bits: int) -> Fixed | None:
    """The requantisation of a total of so many bits, if it is precise enough in 17-bit multipliers."""
    scales = values_of(chain.scale, loops).astype(np.float64)
    factors = scales * values_of(chain.quantised.factor, loops).astype(np.float64)
    if not np.isfinite(factors).all() or factors.min() <= 0:
        return None
    shift = MULTIPLIER_BITS - 1 - int(np.floor(np.log2(factors.max())))
    multipliers = np.round(factors * 2.0**shift)
    if multipliers.max() >= 1 << MULTIPLIER_BITS:
        shift, multipliers = shift - 1, np.round(factors * 2.0 ** (shift - 1))
    if shift not in SHIFTS:
        return None
    biases = np.full(factors.shape, -float(chain.zero))
    if chain.bias is not None:
        biases = biases + values_of(chain.bias, loops).astype(np.float64) / scales
    code = chain.quantised
    reach = np.minimum(2.0 ** (bits - 1), (code.high - code.low + 1) / factors)  # beyond, the code is a bound anyway
    error = reach * np.abs(multipliers * 2.0**-shift - factors) + (0.5 * factors if chain.bias is not None else 0)
    if error.max() > MAX_ERROR or np.abs(biases).max(initial=0) >= float(1 << 31):
        return None
    factor = float(values_of(code.factor, loops).reshape(-1)[0])
    same = bool((values_of(code.factor, loops) == factor).all())
    bounds = [edge for edge in (chain.low, chain.high) if np.isfinite(edge)]
    if not same and any(bounds):
        return None
    low, high = (
        int(np.clip(np.round(edge * factor) + code.zero, code.low, code.high)) if np.isfinite(edge) else other
        for edge, other in ((chain.low, code.low), (chain.high, code.high))
    )
    return Fixed(multipliers.astype(np.int64), np.round(biases).astype(np.int64), shift, low, high)


def _requantised(
    chain: Chain, stage: int, kernel: Kernel, library: Library, fresh: FreshNames
) -> tuple[Kernel, Any] | None:
    """`kernel` with one unit for the chain, whose code is made in that stage; and the unit."""
    known: list[Known] = [chain.scale, chain.quantised.factor, *([] if chain.bias is None else [chain.bias])]
    loops = loops_of(known, kernel)
    name, dtype = chain.total.operands[0], chain.total.operand_types[0]
    fixed = fixed_point(chain, loops, number_type(dtype).bits)
    if fixed is None:
        return None
    made: list[Statement] = []
    if fixed.biases.any() or chain.total.name == "arith.uitofp":
        moved = with_start(kernel, name, fixed.biases, loops, fresh)
        if moved is None:
            name, dtype = _added(chain, fixed, loops, kernel, fresh, made)
        else:
            kernel = moved
    stem, code = chain.code.result, chain.quantised
    table = as_known(f"{stem}_multiplier", MULTIPLIER, fixed.multipliers, loops, fresh(f"{kernel.name}_multiplier"))
    level = number_type(LEVEL)
    levels = [
        Constant(f"{stem}_{which}", LEVEL, value & level.mask)
        for which, value in (("zero", code.zero), ("low", fixed.low), ("high", fixed.high))
    ]
    operands = (name, table.result, *(each.result for each in levels))
    types = (dtype, MULTIPLIER, *(LEVEL,) * 3)
    unit_call = Operation(stem, "i8", REQUANTISE, operands, types, str(fixed.shift), source=chain.code.source)
    unit = unit_of(unit_call, library)
    made += [table, *levels, replace(unit_call, callee=unit.name)]
    return _in_place(kernel, stage, stem, made), unit


def with_start(
    kernel: Kernel, total: str, biases: NDArray[np.int64], loops: list[Any], fresh: FreshNames
) -> Kernel | None:
    """`kernel` whose carried sum `total` begins with the biases too, if they fit and nothing else uses the sum."""
    first = kernel.stages[0]
    if len(first.carried) != 1 or first.carried[0].next != total or any(s.value == total for s in kernel.stores()):
        return None
    users = [s for each in kernel.stages[1:] for s in each.statements if total in operand_names(s)]
    carried, made = first.carried[0], made_by(kernel)
    start = made[carried.init]
    if len(users) != 1 or not isinstance(start, Constant | Load):
        return None
    if isinstance(start, Load) and (start.buffer.data is None or start.guard):
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


def _in_place(kernel: Kernel, number: int, result: str, made: list[Statement]) -> Kernel:
    """`kernel` with statements in the place of the one that gave `result` in a stage."""
    stage: Stage = kernel.stages[number]
    statements = tuple(new for s in stage.statements for new in (made if s.result == result else [s]))
    stages = (*kernel.stages[:number], replace(stage, statements=statements), *kernel.stages[number + 1 :])
    return replace(kernel, stages=stages)
