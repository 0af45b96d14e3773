"""narrow-products: the product of two numbers of a narrow format is computed from them as they are, into f32.

Before:  %a = arith.extf %x : bf16 to f32 ; %b = arith.extf %w : bf16 to f32 ; %p = arith.mulf %a, %b : f32
After:   %p = func.call @bf16_mul_f32(%x, %w) : (bf16, bf16) -> f32        and func.func private @bf16_mul_f32

needs: affine programs.
leaves: no product of two values widened from one format, which a constant factor counts as if the format holds it.
refuses: nothing.
why: the product of two significands of 8 or 11 bits is exact in the 24 of f32, so there is nothing to round: one DSP
    and 66 LUTs for bf16, against two and 101 for f32. The bits are those of the product in f32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.dead_values import without_dead_values
from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Constant, Kernel, Operation, Stage, Statement
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.hwlib.float_mul import holds_products
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class NarrowProducts:
    """The pass. It has no options."""

    name: str = "narrow-products"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: kernels with exact products."""
        models: dict[str, str] = {}
        kernels = [rewritten(kernel, context.library, models) for kernel in program.kernels]
        changed = program.replaced_by(kernels)
        if not changed:
            return program, {}
        return program.with_kernels(kernels).with_models(models.values()), {"exact products": changed}


def rewritten(kernel: Kernel, library: Library, models: dict[str, str]) -> Kernel:
    """`kernel` with its products of widened values rewritten, or itself; software models are added to `models`."""
    made = {statement.result: statement for statement in kernel.statements()}
    stages, changed = [], False
    for stage in kernel.stages:
        statements: list[Statement] = []
        for statement in stage.statements:
            if isinstance(statement, Operation) and operation_kind(statement.name).multiplies:
                new = _product(statement, made)
                if new is not None:
                    *constants, product = new
                    assert isinstance(product, Operation)
                    unit = unit_of(product, library)
                    models[unit.name] = unit.software()
                    statements += [*constants, replace(product, callee=unit.name)]
                    changed = True
                    continue
            statements.append(statement)
        stages.append(Stage(stage.carried, tuple(statements), stage.stores))
    return without_dead_values(replace(kernel, stages=tuple(stages))) if changed else kernel


def _product(statement: Operation, made: dict[str, Statement]) -> list[Statement] | None:
    """The product from the values as they were before they were widened, after the constants that it needs."""
    sources = [made.get(name) for name in statement.operands]
    formats = {s.operand_types[0] for s in sources if isinstance(s, Operation) and s.name == "arith.extf"}
    if len(formats) != 1:
        return None
    name = formats.pop()
    form, target = number_type(name).format, number_type(statement.type).format
    if form is None or target is None or form == target or not holds_products(form, target):
        return None
    constants: list[Statement] = []
    operands: list[str] = []
    for number, source in enumerate(sources):
        if isinstance(source, Operation) and source.name == "arith.extf":
            operands.append(source.operands[0])
            continue
        bits = _held(source, name)
        if bits is None:
            return None
        constants.append(Constant(f"{statement.result}_factor{number}", name, bits))
        operands.append(constants[-1].result)
    product = replace(statement, operands=tuple(operands), operand_types=(name, name))
    return [*constants, product]


def _held(source: Statement | None, name: str) -> int | None:
    """The bits of a constant in a format that holds it exactly."""
    if not isinstance(source, Constant):
        return None
    wide, narrow = number_type(source.type), number_type(name)
    bits = narrow.bits_of(wide.values_of(source.bits))
    return int(bits[0]) if narrow.values_of(bits).astype(wide.values) == wide.values_of(source.bits) else None
