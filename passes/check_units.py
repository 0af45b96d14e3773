"""check-units: checks that every operation has a unit in the hardware library, and refuses all that have none together.

Before and after: the same program.

needs: affine programs, constants folded and dead code gone: what is computed at compile time needs no unit.
leaves: a program that the library can build.
refuses: operations without a unit, as UnsupportedOperation, one for each line and operation.
why: later passes ask for latencies one operation at a time and would stop at the first that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Operation
from torch2hw.dialects.program import Program
from torch2hw.frontend.refusals import UnsupportedOperation
from torch2hw.passes.pass_context import PassContext
from torch2hw.tools.errors import Torch2HWError, raise_all


@dataclass(frozen=True)
class CheckUnits:
    """The check as a pass."""

    name: str = "check-units"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: PassContext) -> tuple[Program, dict[str, Any]]:
        """`program` itself, or every refusal."""
        errors: list[Torch2HWError] = []
        for kernel in program.kernels:
            for statement in kernel.statements():
                if isinstance(statement, Operation):
                    try:
                        unit_of(statement, context.library)
                    except UnsupportedOperation as error:
                        errors.append(error)
        raise_all(errors)
        return program, {}
