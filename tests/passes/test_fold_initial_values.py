"""fold-initial-values: a sum starts at its bias only where nothing else needs the sum without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.passes.compiled import context
from tests.passes.loop_values import program_values
from tests.passes.test_fuse_outer_loops import buffer, product
from torch2hw.dialects.loops import Buffer, Kernel, Load, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import variable
from torch2hw.dialects.storage import INPUT, OUTPUT, ROM
from torch2hw.passes.fold_initial_values import FoldInitialValues

X, Y, U = buffer("x", 4, 4, INPUT), buffer("y", 4, 4, OUTPUT), buffer("u", 4, 4, OUTPUT)
WORDS = np.arange(16, dtype=np.float32).view(np.uint32).reshape(4, 4)
WEIGHTS, BIAS = Buffer("w", (4, 4), "f32", ROM, WORDS), Buffer("b", (4, 4), "f32", ROM, WORDS[::-1].copy())


def with_bias(operation: str, also_alone: bool) -> Kernel:
    """y = operation(x·w, b); the negated x·w as well, if wanted."""
    kernel = product("n", X, WEIGHTS, Y)
    at = tuple(variable(loop.variable) for loop in kernel.loops[:2])
    total = kernel.stages[0].carried[0].next
    statements = (
        Load("bias", "f32", BIAS, at),
        Operation("out", "f32", operation, (total, "bias"), ("f32", "f32")),
        *((Operation("alone", "f32", "arith.negf", (total,), ("f32",)),) if also_alone else ()),
    )
    stores = (Store(Y, at, "out"), *((Store(U, at, "alone"),) if also_alone else ()))
    return replace(kernel, stages=(kernel.stages[0], Stage((), statements, stores)))


@pytest.mark.parametrize(
    ("operation", "also_alone", "folded"),
    [("arith.addf", False, True), ("arith.addf", True, False), ("arith.mulf", False, False)],
)
def test_values_are_kept(operation: str, also_alone: bool, folded: bool) -> None:
    program = Program.of("p", (X,), (Y, U) if also_alone else (Y,), (with_bias(operation, also_alone),))
    changed, report = FoldInitialValues().run(program, context(1))
    assert bool(report) == folded
    inputs = [np.arange(16, dtype=np.float32).reshape(4, 4)]  # whose sums are exact in any order
    for got, wanted in zip(program_values(changed, inputs), program_values(program, inputs), strict=True):
        np.testing.assert_array_equal(got, wanted)
