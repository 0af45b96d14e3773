"""bank-memories: every buffer is stored cyclically in as many banks as its accesses of one cycle need.

Before:  x: memref<64x48xf32>, arms load x[4·io + a, k]       After:  x: memref<4x16x48xf32>, arm a loads x[a, io, k]

needs: nests with their arms written out (after `choose-lanes`).
leaves: buffers with `factors`; the bank, a leading dimension of the buffer, is a constant in every arm wherever the
    loops allow it.
refuses: nothing; accesses whose banks change from iteration to iteration get a multiplexer over the banks that they can
    touch, which the report names.
why: a memory has one read port and one write port a cycle. The factors come from the differences between the accesses
    of one iteration (`bank_analysis`), joined over all nests by least common multiple.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch2hw.dialects.loops import Buffer, Nest
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Program
from torch2hw.passes.bank_analysis import accesses_of, run_time_dimensions, selection
from torch2hw.passes.choose_lanes import merged_factors


@dataclass(frozen=True)
class BankMemories:
    name: str = "bank-memories"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        limit = int(context.options.partition) ** 2
        factors: dict[Buffer, tuple[int, ...]] = {}
        whole = run_time_dimensions(program.nests)
        for nest in program.nests:
            factors |= merged_factors(nest, factors, limit, whole)
        banked = {buffer: in_banks(buffer, banks) for buffer, banks in factors.items() if prod(banks) > 1}
        changed = program.with_buffers(banked)
        report: dict[str, Any] = {b.name: list(b.factors) for b in banked.values()}
        for nest in changed.nests:
            for name, banks in rotated(nest).items():
                report[f"{nest.name} rotates {name}"] = banks
        return changed, report


@once
def in_banks(buffer: Buffer, factors: tuple[int, ...]) -> Buffer:
    """The buffer in these banks, or fewer in a dimension that is smaller."""
    sizes = zip(factors, buffer.shape, strict=True)
    return replace(buffer, factors=tuple(min(factor, size) if size else factor for factor, size in sizes))


@once
def rotated(nest: Nest) -> dict[str, int]:
    """The buffers of which a read changes banks from iteration to iteration, and between how many."""
    found = {}
    for access in accesses_of(nest):
        moving = [len(selection(read, access.buffer.bank_factors)) for read in access.reads]
        if max(moving, default=1) > 1:
            found[access.buffer.name] = max(moving)
    return found
