"""overlap-kernels: a kernel starts as soon as its first operands are stored, not when the kernel before it has ended.

Before:  n0 in cycles 0 … 1030, n1 from 1031 on
After:   n1 from 1008 on: the last results of n0 are still in its pipeline, but those that n1 reads first are stored

needs: scheduled programs.
leaves: start times such that for any two kernels, in the order of the program:
    - an element is read after it was written, and overwritten after it was read;
    - from the first to the last cycle in which a kernel uses a shared unit or a memory port, no other kernel uses it;
    - kernels with data in common overlap for at most MAX_SHARED_CYCLES, all of which `check-ports` goes through.
    The same holds for rounds, which follow each other in a fixed period.
refuses: nothing.
why: the schedules are static, so the cycle of every access is known and no handshake is needed. That cycle is a sum of
    a term for each loop, and so is each index. The dimensions can therefore be treated one by one (those that share a
    loop, together): for every value of the index, the latest write and the earliest read. The largest differences of
    all dimensions add up to the distance between the starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch2hw.analysis.start_times import overlapped, times
from torch2hw.dialects.program import Program, Rounds
from torch2hw.passes.pass_context import PassContext


@dataclass(frozen=True)
class OverlapKernels:
    """The pass. It is turned off by `--no-overlap`."""

    name: str = "overlap-kernels"
    source: str = "scheduled"
    target: str = "scheduled"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """The report: cycles that each kernel starts earlier than the end of the one before it."""
        if not context.options.overlap or len(program.kernels) < 2:
            return program, {}
        after = overlapped(program, context.library)
        if times(after) == times(program):
            return program, {}
        report: dict[str, Any] = {
            later.kernel.name: f"{earlier.end_cycle - later.start_cycle} cycles earlier"
            for earlier, later in pairwise(after.placed)
            if earlier.end_cycle > later.start_cycle and not later.kernel.is_in_rounds
        }
        for old, new in zip(program.sequence, after.sequence, strict=True):
            if isinstance(old, Rounds) and isinstance(new, Rounds):
                names = " and ".join(kernel.name for kernel in new.kernels)
                report[names] = f"a round in {new.period_cycles} cycles, not {old.period_cycles}"
        return after, report
