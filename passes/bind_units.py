"""bind-units: every operation gets its hardware unit; where the CPU's own operation differs, the unit's software model.

Before:  %1 = math.exp %0 : f32
After:   %1 = func.call @f32_exp(%0) : (f32) -> f32        and func.func private @f32_exp

needs: affine programs in execution order.
leaves: the scheduled level: a program whose values on the CPU are the hardware's, bit for bit.
refuses: an operation without hardware, as UnsupportedOperation at the user's line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.dialects.loops import Nest, Operation, Program
from torch2hw.lowering.units import unit_of


@dataclass(frozen=True)
class BindUnits:
    name: str = "bind-units"
    source: str = "affine"
    target: str = "scheduled"

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        models: dict[str, str] = {}
        nests = [bind(nest, context.library, models) for nest in program.nests]
        bound = replace(program, nests=tuple(nests), functions=tuple(models.values()), level="scheduled")
        return bound, {"rounding": f"software models of {', '.join(sorted(models))}"} if models else {}


def bind(nest: Nest, library: Any, models: dict[str, str]) -> Nest:
    """`nest` with calls to the software models it needs, which are added to `models`."""
    stages = []
    for stage in nest.stages:
        statements = []
        for statement in stage.statements:
            if isinstance(statement, Operation):
                unit = unit_of(statement, library)
                model = unit.model()
                if model is not None:
                    models[unit.name] = model
                    statement = replace(statement, callee=unit.name)
            statements.append(statement)
        stages.append(replace(stage, statements=tuple(statements)))
    return replace(nest, stages=tuple(stages))
