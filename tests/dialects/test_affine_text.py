"""The text of loop programs: MLIR of the level's dialects after every pass, and no read outside a buffer."""

from __future__ import annotations

import pytest

from tests.passes.compiled import LOOP_PASSES, context, scheduled
from tests.passes.random_programs import random_case
from torch2hw.dialects.kernel_printer import KernelPrinter
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Stage, Store
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT


def test_a_guarded_load_of_a_lane_beyond_the_edge_stays_inside() -> None:
    """Rows 0 to 4 in lanes of two: row 5 is computed and not stored; the guard is only about the columns' padding."""
    image, result = Buffer("x", (5, 4), "f32", INPUT), Buffer("y", (5, 5), "f32", OUTPUT)
    row, column = Variable("r", 3), Variable("c", 5)
    place = variable(row) * 2 + 1, variable(column) - 1
    load = Load("v", "f32", image, place, (place[1],))
    beyond = variable(row) * -2 + 3
    store = Store(result, (place[0], variable(column)), "v", (beyond,))
    text = "\n".join(KernelPrinter(Kernel("n", (Loop(row), Loop(column)), (Stage((), (load,), (store,)),))).lines())
    assert "affine_set<(d0, d1) : (d0 + -1 >= 0, d1 * -2 + 3 >= 0)>(%n_c, %n_r) -> f32" in text


@pytest.mark.parametrize("seed", range(6))
def test_the_text_is_mlir_of_the_level_after_every_pass(seed: int) -> None:
    program = random_case(seed, 3).program
    for step in LOOP_PASSES:
        program, _ = step.run(program, context(1 + seed % 3))  # type: ignore[arg-type]
        assert dialects(program.text()) <= {"builtin", "affine", "memref", "arith", "math", "func"}, step.name
    text = scheduled(random_case(seed, 3).program, 2).text()
    assert dialects(text) <= {"builtin", "affine", "memref", "arith", "math", "func"}


def dialects(text: str) -> set[str]:
    """The dialects of a module that torch-mlir parses and verifies."""
    from torch_mlir import ir

    found: set[str] = set()

    def visit(operation: ir.Operation) -> ir.WalkResult:
        found.add(operation.name.split(".")[0])
        return ir.WalkResult.ADVANCE

    ir.Module.parse(text, ir.Context()).operation.walk(visit)
    return found
