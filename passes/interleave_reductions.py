"""interleave-reductions: independent outputs fill a reduction operator's latency; an iteration starts every cycle.

Before:  for i, j { for k { acc[i, j] += … } }
After:   for i, jo { for k { for ji < T { acc[i, jo·T + ji] += … } } }        T·II ≥ latency of the addition

needs: affine programs; the hardware library (latency of each operation).
leaves: in each kernel the loops in execution order: outer parallel, reductions (last stage outermost), inner parallel.
    A loop over rounds stays where it is. Where a kernel has too few independent outputs, the reduction is
    split into partial sums that a kernel of their own adds up; that changes the order of summation (declared). Where
    not even that pays, the schedule gets a larger II.
refuses: nothing.
why: the value that an iteration adds to is ready T·II cycles after it was last used; with T·II equal to the adder's
    latency the accumulator is the adder's own pipeline, and needs no other register. The order of each sum is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch2hw.analysis.reduction_order import interleaved
from torch2hw.dialects.loops import (
    Kernel,
)
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
