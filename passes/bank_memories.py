"""bank-memories: every buffer is stored cyclically in as many banks as its accesses of one cycle need.

Before:  x: memref<64x48xf32>, arms load x[4·io + a, k]       After:  x: memref<4x16x48xf32>, arm a loads x[a, io, k]

needs: kernels with their arms written out (after `choose-lanes`).
leaves: buffers with `factors`. The bank number becomes the leading dimensions of the buffer; in every arm it is a
    constant wherever the loops allow it.
refuses: nothing. An access whose bank changes from iteration to iteration gets a multiplexer over the banks that it can
    touch; the report names it.
why: a memory has one read port and one write port. The factors come from the differences between the accesses of one
    iteration (`analysis/banks.py`); over all kernels, their least common multiple is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch2hw.analysis.bank_assignment import assigned, rotated
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class BankMemories:
    """The pass. No option turns it off; at `--partition 1` every buffer has one bank."""

    name: str = "bank-memories"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: bank factors by buffer, and the number of banks that an access rotates through."""
        banked = assigned(program, context.options.partition)
        changed = program.with_buffers(banked)
        report: dict[str, Any] = {b.name: list(b.factors) for b in banked.values()}
        for kernel in changed.kernels:
            for name, banks in rotated(kernel).items():
                report[f"{kernel.name} rotates {name}"] = banks
        return changed, report
