"""The core of the sequential schedule computes what its program does, with the contents that its memories have."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.loop_values import program_values
from torch2hw.analysis.reference import Reference
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, ROM
from torch2hw.hwlib import Library
from torch2hw.lowering.sequential import affine_to_scf

NUMBERS = np.arange(15, dtype=np.float32).reshape(3, 5) - 4


@pytest.mark.parametrize("banking", ["dimension", "naive"])
def test_constants_in_banks_and_divided_indices(banking: str) -> None:
    """y[i, j] = w[i, j] in banks, and z[i, j] = x[(5 · i + j) div 4, (5 · i + j) mod 4]."""
    i, j = Variable("i", 3), Variable("j", 5)
    at, flat = (variable(i), variable(j)), variable(i) * 5 + variable(j)
    x, w = Buffer("x", (4, 4), "f32", INPUT), Buffer("w", (3, 5), "f32", ROM, NUMBERS.view(np.uint32), factors=(2, 3))
    y, z = (Buffer(name, (3, 5), "f32", OUTPUT) for name in "yz")
    statements = (Load("a", "f32", w, at), Load("b", "f32", x, (flat.floordiv(4), flat.remainder(4))))
    stage = Stage((), statements, (Store(y, at, "a"), Store(z, at, "b")))
    program = Program.of("p", (x,), (y, z), (Kernel("copies", (Loop(i), Loop(j)), (stage,)),))
    core = affine_to_scf.lower(program, Library(), banking)
    constants = [memory.contents.view(np.float32) for memory in core.memories if memory.contents is not None]
    given = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)
    results = Reference(core.mlir.replace('"core"', '"main"')).run([given.reshape(-1)], constants)
    for found, expected in zip(results, program_values(program, [given]), strict=False):
        np.testing.assert_array_equal(found.reshape(3, 5), expected)
