"""interleave-reductions: independent outputs fill the latency of a reduction's operator, so that an iteration can start
in every cycle.

Before:  for i, j { for k { acc[i, j] += … } }
After:   for i, jo { for k { for ji < T { acc[i, jo·T + ji] += … } } }        T·II ≥ latency of the addition

needs: affine programs; the hardware library (latency of each operation).
leaves: the loops of each kernel in execution order: outer parallel loops, reductions (the last stage's outermost),
    inner parallel loops. A loop over rounds stays where it is. A reduction with too few independent outputs is split
    into partial sums, which a second kernel adds; the report declares the changed order of summation. Where splitting
    does not pay, idle iterations fill the rest of the latency, or the schedule gets a larger II.
refuses: nothing.
why: a partial sum is used again T·II cycles after its last use. If T·II equals the adder's latency, the adder's own
    pipeline is the accumulator, and no other register is needed. The order of each sum is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch2hw.analysis.partial_sums import interleaved
from torch2hw.dialects.loops import Kernel
from torch2hw.dialects.program import Program
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class InterleaveReductions:
    """The pass. No option turns it off."""

    name: str = "interleave-reductions"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: kernels whose sums were split into partial sums, as a change of rounding."""
        split: list[str] = []

        def parts_of(kernel: Kernel) -> tuple[Kernel, ...]:
            parts = interleaved(kernel, context.library)
            if len(parts) > 1:
                split.append(kernel.name)
            return parts

        return program.map_kernels(parts_of), {"rounding": split} if split else {}
