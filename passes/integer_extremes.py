"""integer-extremes: the maximum of quantised numbers is that of their codes.

Before:  n0 { q = …; t[i] = (q - 3)·0.1 }           n1 { m = max(m, t[i]) … y = f(m) }
After:   n0 { q = …; t_codes[i] = q; t[i] = … }     n1 { m = max(m, t_codes[i]) … y = f((m - 3)·0.1) }

needs: affine programs whose elementwise kernels are fused (`fuse-epilogues`); kernels are single-assignment.
leaves: the same values, bit for bit: decoding does not change an order. Padding is the least code (of a minimum the
    greatest); a kernel with a window of nothing but padding, whose maximum is minus infinity, stays as it is.
refuses: nothing.
why: a comparison of codes is 8 bits in one cycle, and a code a quarter of a float's memory; `requantise-sums` leaves
    out what follows where a pooling layer is quantised as its operand is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torch2hw.analysis.code_places import Codes, decoding, with_codes
from torch2hw.analysis.quantised_values import code_range, made_by, number
from torch2hw.dialects.loops import Carried, Constant, Kernel, Load, Operation, Stage, operand_names
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.program import Program
from torch2hw.dialects.substitution import substitute_stage
from torch2hw.passes.pass_context import PassContext

EXTREMES = {"arith.maximumf": ("max", -np.inf), "arith.minimumf": ("min", np.inf)}
"""The operation on codes, without its sign, and what padding and the first value are."""
MAX_WINDOWS = 1 << 22
"""Elements of windows up to which their padding is looked at."""


@dataclass(frozen=True)
class IntegerExtremes:
    """The pass. No option turns it off."""

    name: str = "integer-extremes"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels take extremes of codes."""
        done, changed = with_codes(program, rewritten)
        return done, {"extremes of codes": changed} if changed else {}


def rewritten(kernel: Kernel, codes: Codes) -> Kernel:
    """`kernel` with an extreme of codes, or itself."""
    load = extreme_of(kernel)
    if load is None or len(kernel.stages) < 2 or not has_elements(kernel, load):
        return kernel
    place = codes.place(load.buffer, load.indices)
    if place is None or not isinstance(place.scale, Constant) or not (number(place.scale) or 0) > 0:
        return kernel
    first, *later = kernel.stages
    old = first.carried[0]
    step = made_by(kernel)[old.next]
    assert isinstance(step, Operation)
    which, _ = EXTREMES[step.name]
    kind = number_type(place.buffer.value_type)
    least, greatest = code_range(kind.name, place.signed)
    edge = (least if which == "max" else greatest) & kind.mask
    code = Load(f"{load.result}_code", kind.name, place.buffer, place.indices, load.guard, edge, load.source)
    start = Constant(f"{old.next}_edge", kind.name, edge)
    name = f"arith.{which}{'si' if place.signed else 'ui'}"
    carried = Carried(f"{old.name}_code", kind.name, start.result, f"{old.next}_code")
    types = (kind.name, kind.name)
    extreme = Operation(carried.next, kind.name, name, (carried.name, code.result), types, source=step.source)
    kept = tuple(s for s in first.statements if s.result not in (load.result, old.next, old.init))
    instead = {old.next: f"{old.next}_value"}
    later = [substitute_stage(stage, {}, instead) for stage in later]
    value = decoding(place, carried.next, instead[old.next], step.source)
    later[0] = replace(later[0], statements=(*value, *later[0].statements))
    return replace(kernel, stages=(Stage((carried,), (*kept, code, start, extreme)), *later))


def extreme_of(kernel: Kernel) -> Load | None:
    """The floats whose extreme the first stage takes, if it does nothing else with them."""
    stage = kernel.stages[0]
    if len(stage.carried) != 1 or stage.stores:
        return None
    carried, made = stage.carried[0], made_by(kernel)
    step, start = made.get(carried.next), made.get(carried.init)
    if not isinstance(step, Operation) or step.name not in EXTREMES or step.operands.count(carried.name) != 1:
        return None
    load = made.get(next(name for name in step.operands if name != carried.name))
    if not isinstance(load, Load) or load.type != "f32" or load not in stage.statements:
        return None
    _, edge = EXTREMES[step.name]
    if number(start) != edge or (load.guard and load.otherwise_bits != number_type("f32").pattern(edge)):
        return None
    taken = {load.result, carried.name, carried.init}
    others = [s for s in kernel.statements() if s is not step and taken & operand_names(s)]
    return None if others or any(store.value in taken for store in kernel.stores()) else load


def has_elements(kernel: Kernel, load: Load) -> bool:
    """Whether each extreme is one of at least one element that is no padding."""
    if not load.guard:
        return True
    used = {v for index in load.guard for v in index.variables()}
    loops = [loop for loop in kernel.loops if loop.variable in used]
    shape = tuple(loop.extent for loop in loops)
    if used - {loop.variable for loop in loops} or np.prod(shape, dtype=np.int64) > MAX_WINDOWS:
        return False
    grid = dict(zip((loop.variable for loop in loops), np.indices(shape, sparse=True), strict=True))
    inside = np.ones(shape, bool)
    for index in load.guard:
        inside &= np.asarray(index.evaluate(grid.__getitem__)) >= 0
    reduced = tuple(axis for axis, loop in enumerate(loops) if loop.reduced_by == 0)
    return bool(inside.any(axis=reduced).all())
