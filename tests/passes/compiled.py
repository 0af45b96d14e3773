"""Loop programs taken through the passes, for tests."""

from __future__ import annotations

from types import SimpleNamespace

from torch2hw.dialects.loops import Program
from torch2hw.hwlib import Library
from torch2hw.lowering import affine_to_scf
from torch2hw.lowering.affine_to_scf import ScheduledProgram
from torch2hw.options import Options
from torch2hw.passes.overlap_kernels import OverlapKernels
from torch2hw.pipeline import STATIC

LOOP_PASSES = tuple(step for step in STATIC if step.source == "affine")
LIBRARY = Library()


def context(partition: int) -> SimpleNamespace:
    return SimpleNamespace(library=LIBRARY, options=Options(partition=partition))


def scheduled(program: Program, partition: int) -> ScheduledProgram:
    for step in LOOP_PASSES:
        program, _ = step.run(program, context(partition))  # type: ignore[arg-type]
    result, _ = OverlapKernels().run(affine_to_scf.lower(program, LIBRARY), context(partition))
    return result
