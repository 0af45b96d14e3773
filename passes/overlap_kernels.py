"""overlap-kernels: a kernel starts as soon as what it needs is there, instead of when the one before has ended.

Before:  n0 in cycles 0 … 1030, n1 from 1031 on
After:   n1 from 1008 on: while the last results of n0 are still on their way to memory, those that n1 wants first are
         there already

needs: scheduled programs.
leaves: start times that keep, for every two kernels in the order of the program:
    - an element is read after it was written, and overwritten after it was read;
    - a shared unit and a memory port belong to one kernel from the first to the last cycle in which it uses them;
    - of two kernels with data in common, no more than MAX_SHARED_CYCLES are shared, which `check-ports` goes through.
    All that holds of rounds, too, which follow each other in a fixed period.
refuses: nothing.
why: every schedule is static, so when an element is written and read is known and no handshake is needed. The cycle of
    an access is a sum over the loops, and so is what each dimension's index contributes: for every value of an index
    the latest write and the earliest read are found in each dimension by itself (dimensions that have loops in common
    are one), and the largest differences add up to the distance that is needed.
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
