"""remove-dead-code: what no output depends on is not built.

Before:  n0 { t[i] = …; y[i] = … }  with t read by nobody       After:  n0 { y[i] = … }

needs: affine programs.
leaves: every store goes to a buffer that is read later or is an output; every value is used; no nest is empty.
refuses: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch2hw.dialects.loops import Nest, Program, operand_names


@dataclass(frozen=True)
class RemoveDeadCode:
    name: str = "remove-dead-code"
    source: str = "affine"
    target: str = "affine"

    def run(self, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        nests = list(program.nests)
        while True:
            read = {load.buffer for nest in nests for load in nest.loads()} | set(program.outputs)
            kept = [
                without_dead_values(
                    replace(
                        nest,
                        stages=tuple(
                            replace(stage, stores=tuple(store for store in stage.stores if store.buffer in read))
                            for stage in nest.stages
                        ),
                    )
                )
                for nest in nests
            ]
            kept = [nest for nest in kept if any(True for _ in nest.stores())]
            if kept == nests:
                break
            nests = kept
        before = sum(1 for nest in program.nests for _ in nest.stores())
        after = sum(1 for nest in nests for _ in nest.stores())
        return program.with_nests(nests), {"stores removed": before - after} if before != after else {}


def without_dead_values(nest: Nest) -> Nest:
    """`nest` without statements and carried values that reach no store."""
    needed = {store.value for store in nest.stores()}
    stages = list(nest.stages)
    while True:
        size = len(needed)
        for stage in stages:
            for statement in reversed(stage.statements):
                if statement.result in needed:
                    needed |= operand_names(statement)
            for carried in stage.carried:
                if carried.name in needed or carried.next in needed:
                    needed |= {carried.name, carried.init, carried.next}
        if len(needed) == size:
            break
    return replace(
        nest,
        stages=tuple(
            replace(
                stage,
                statements=tuple(s for s in stage.statements if s.result in needed),
                carried=tuple(c for c in stage.carried if c.name in needed),
            )
            for stage in stages
        ),
    )
