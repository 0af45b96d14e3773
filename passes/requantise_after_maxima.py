"""requantise-after-maxima: of sums whose codes a pooling takes the maximum of, the greatest is requantised, not each.

Before:  stage 1 { %q = hwlib.requantise %total … ; %next = maxsi %m, %q }    stage 2 { store %next }
After:   stage 1 { %most = maxsi %m, %total }    stage 2 { %next = hwlib.requantise %most … ; store %next }

needs: affine programs whose kernels are fused (`fuse-windows`).
leaves: the same values: with a multiplier that is not negative, requantisation does not change an order, and no code is
    below its lower bound, with which the maximum begins.
refuses: nothing. A kernel stays as it is where the multiplier is not a constant of the window or may be negative, where
    the maximum begins above the lower bound, and where another value needs the codes of the window.
why: each sum that ends in the same cycle has a requantiser, of a DSP or 130 LUTs; lanes along the window then share
    one, which is as many times as rarely busy as the window has elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.constant_values import loops_of, values_of
from torch2hw.analysis.quantised_values import integer, made_by
from torch2hw.dialects.loops import Carried, Constant, Kernel, Load, Operation, Stage, Statement, operand_names
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext
from torch2hw.passes.requantise_sums import REQUANTISE

MAXIMUM, EXTENSION = "arith.maxsi", "arith.extsi"


@dataclass(frozen=True)
class RequantiseAfterMaxima:
    """The pass. No option turns it off."""

    name: str = "requantise-after-maxima"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels requantise maxima."""
        kernels = [rewritten(kernel) for kernel in program.kernels]
        changed = program.replaced_by(kernels)
        return (program.with_kernels(kernels), {"requantised after the maximum": changed}) if changed else (program, {})


def rewritten(kernel: Kernel) -> Kernel:
    """`kernel` with the requantisations of its windows after their maxima; itself if there are none."""
    for number, stage in enumerate(kernel.stages[:-1]):
        for carried in stage.carried if number else ():
            code = _requantised(kernel, number, carried)
            if code is not None:
                kernel = _moved(kernel, number, carried, code)
    return kernel


def _requantised(kernel: Kernel, number: int, carried: Carried) -> Operation | None:
    """The requantisation whose results the carried value is the maximum of, if it can be made of the greatest sum."""
    stage, made, uses = kernel.stages[number], made_by(kernel), used(kernel.stages)
    step = made[carried.next]
    if not isinstance(step, Operation) or step.name != MAXIMUM or carried.name not in step.operands:
        return None
    code = next((made.get(name) for name in step.operands if name != carried.name), None)
    if not isinstance(code, Operation) or code.name != REQUANTISE or code not in stage.statements:
        return None
    here = used(kernel.stages[: number + 1])  # the step's own result, as the next carried value
    if (uses[code.result], uses[carried.name], here[carried.next]) != (1, 1, 1):
        return None
    _, multiplier, zero, low, high = (made.get(name) for name in code.operands)
    first, least = integer(made.get(carried.init)), integer(low)
    if first is None or least is None or first > least or integer(zero) is None or integer(high) is None:
        return None
    return code if _never_negative(multiplier, kernel, number) else None


def _never_negative(multiplier: Statement | None, kernel: Kernel, number: int) -> bool:
    """Whether a multiplier is known, at least 0, and the same in all iterations of a stage's window."""
    if not isinstance(multiplier, Constant | Load):
        return False
    if isinstance(multiplier, Load) and (multiplier.buffer.constant is None or multiplier.guard):
        return False
    loops = loops_of([multiplier], kernel)
    if any(loop.reduced_by is not None and loop.reduced_by <= number for loop in loops):
        return False
    return bool((values_of(multiplier, loops) >= 0).all())


def _moved(kernel: Kernel, number: int, carried: Carried, code: Operation) -> Kernel:
    """`kernel` with the maximum of the sums, and `code` of it in the next stage with the name of the old maximum."""
    made, uses, most = made_by(kernel), used(kernel.stages), f"{carried.next}_sum"
    extension, total, kind = made.get(code.operands[0]), code.operands[0], code.operand_types[0]
    after = [replace(code, result=carried.next, operands=(most, *code.operands[1:]))]
    moving = {code.result}
    if isinstance(extension, Operation) and extension.name == EXTENSION and uses[total] == 1:
        moving.add(total)
        after = [replace(extension, operands=(most,)), replace(after[0], operands=(total, *code.operands[1:]))]
        total, kind = extension.operands[0], extension.operand_types[0]
    start = Constant(f"{carried.name}_least", kind, 1 << (number_type(kind).bits - 1))
    step = Operation(most, kind, MAXIMUM, (carried.name, total), (kind, kind), source=code.source)
    own = [made[name] for name in dict.fromkeys(code.operands[1:]) if uses[name] == 1]
    gone = moving | {each.result for each in own}
    if uses[carried.init] == 1:
        gone.add(carried.init)
    stages = [replace(s, statements=tuple(x for x in s.statements if x.result not in gone)) for s in kernel.stages]
    stage, following = stages[number], stages[number + 1]
    changed = tuple(step if s.result == carried.next else s for s in stage.statements)
    new = Carried(carried.name, kind, start.result, most)
    stages[number] = replace(
        stage, carried=tuple(new if c is carried else c for c in stage.carried), statements=(start, *changed)
    )
    stages[number + 1] = replace(following, statements=(*own, *after, *following.statements))
    return replace(kernel, stages=tuple(stages))


def used(stages: Sequence[Stage]) -> Counter[str]:
    """How often each value is used."""
    uses = Counter(name for stage in stages for s in stage.statements for name in operand_names(s))
    uses.update(store.value for stage in stages for store in stage.stores)
    uses.update(name for stage in stages for each in stage.carried for name in (each.init, each.next))
    return uses
