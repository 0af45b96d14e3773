"""read-codes: sums of products read the codes of quantised tensors, not the floats that these stand for.

Before:  n0 { q = …; t[i] = (q - 3)·0.1 }           n1 { acc += t[i]·w[i, k] }             with w = (v - 0)·s[k]
After:   n0 { q = …; t_codes[i] = q; t[i] = … }     n1 { acc += ((t_codes[i] - 3)·0.1)·(v[i, k]·s[k]) }

needs: affine programs whose elementwise kernels are fused (`fuse-epilogues`); kernels are single-assignment.
leaves: the same values, bit for bit: each reader computes from a code what the writer computed. Floats that nobody
    reads any more go with `remove-dead-code`. Only kernels change in which every factor of a sum has codes:
    `integer-sums` makes integers of these.
refuses: nothing.
why: what is stored decides what can be computed with. Padding is the zero point's code, which stands for 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch2hw.analysis.code_places import Codes, Place, decoding, with_codes
from torch2hw.analysis.quantised_values import clamped, code_of, code_range, made_by
from torch2hw.analysis.requantisation import scaled
from torch2hw.dialects.loops import Kernel, Load, Operation, Statement
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.operations import operation_kind
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class ReadCodes:
    """The pass. No option turns it off."""

    name: str = "read-codes"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The program; and which kernels read codes."""
        done, changed = with_codes(program, reading)
        return done, {"reading codes": changed} if changed else {}


def reading(kernel: Kernel, codes: Codes) -> Kernel:
    """`kernel`, with loads of codes for the factors of its sums where all of them have codes."""
    replaced = decodings(factors(kernel), codes)
    for pair in addends(kernel):
        replaced |= decodings(pair, codes)
    if not replaced:
        return kernel
    stages = [
        replace(stage, statements=tuple(new for old in stage.statements for new in replaced.get(old.result, [old])))
        for stage in kernel.stages
    ]
    return replace(kernel, stages=tuple(stages))


def decodings(loads: Sequence[Load], codes: Codes) -> dict[str, list[Statement]]:
    """What stands in the place of each load, by its result; nothing where one of them has no codes."""
    replaced: dict[str, list[Statement]] = {}
    for load in loads:
        place = codes.place(load.buffer, load.indices)
        instead = None if place is None else _decoding(load, place)
        if instead is None:
            return {}
        replaced[load.result] = instead
    return replaced


def addends(kernel: Kernel) -> list[list[Load]]:
    """The floats of each sum of two numbers that is quantised."""
    made, found = made_by(kernel), list[list[Load]]()
    for statement in kernel.statements():
        code = code_of(statement, made)
        if code is None:
            continue
        value, _ = scaled(clamped(code.value, made)[0], made)
        total = made.get(value)
        if isinstance(total, Operation) and total.name == "arith.addf":
            operands = [made.get(name) for name in total.operands]
            loads = [s for s in operands if isinstance(s, Load) and s.type == "f32" and s.buffer.constant is None]
            if loads and loads not in found:
                found.append(loads)
    return found


def factors(kernel: Kernel) -> list[Load]:
    """The floats that the first stage (multiplies and) adds up; none where it does anything else with them."""
    stage = kernel.stages[0]
    made = {statement.result: statement for statement in stage.statements}
    found: list[Load] = []
    for carried in stage.carried:
        step = made.get(carried.next)
        if not (isinstance(step, Operation) and step.name == "arith.addf" and carried.name in step.operands):
            return []
        term = made.get(next((name for name in step.operands if name != carried.name), ""))
        operands = term.operands if isinstance(term, Operation) and operation_kind(term.name).multiplies else ()
        loads = [made.get(name) for name in operands] or [term]
        if not loads or not all(isinstance(load, Load) and load.type == "f32" for load in loads):
            return []
        found += [load for load in loads if isinstance(load, Load)]
    return found


def _decoding(load: Load, place: Place) -> list[Statement] | None:
    """The statements that make the float of its code; None where what stands for it outside of its guard has none."""
    kind, stem = place.buffer.value_type, load.result
    otherwise = 0
    if load.guard:
        least, greatest = code_range(kind, place.signed)
        if load.otherwise_bits or not least <= place.zero <= greatest:
            return None
        otherwise = place.zero & number_type(kind).mask
    code = Load(f"{stem}_code", kind, place.buffer, place.indices, load.guard, otherwise, load.source)
    return [code, *decoding(place, code.result, stem, load.source)]
