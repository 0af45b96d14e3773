"""affine → scheduled: a modulo schedule for every kernel, and a start for every node of the control tree.

Before:  affine.for … { … arith.mulf … }
After:   affine.for … { … arith.mulf … {cycle = 1 : i64} … }        and {start, interval, depth} of every kernel

needs: loops in execution order (after `interleave-reductions`), a unit in the library for every operation.
leaves: the schedule of each kernel (`dialects/schedule.py`), the start of each node, the period of `Rounds`, and the
    number of shared units. A node starts when the one before it has ended, within a round too; `overlap-kernels` lets
    it start earlier.
refuses: an operation without a unit, as UnsupportedOperation.
"""

from __future__ import annotations

from torch2hw.analysis.scheduling import scheduled
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library


def lower(program: Program, library: Library, share: bool = True) -> Program:
    """Schedules every kernel; `share`: kernels may share units."""
    return scheduled(program, library, share)
