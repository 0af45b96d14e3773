"""fuse-epilogues: what is added to a product is added where it is made, unless that takes the product's read port."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.passes.compiled import context
from tests.passes.loop_values import program_values
from tests.passes.test_fuse_outer_loops import buffer, product
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, ROM
from torch2hw.passes.fuse_epilogues import FuseEpilogues


def added(left: Buffer, right: Buffer, written: Buffer) -> Kernel:
    row, column = Variable("r", written.shape[0]), Variable("c", written.shape[1])
    at = (variable(row), variable(column))
    statements = (
        Load("a", "f32", left, at),
        Load("b", "f32", right, at),
        Operation("s", "f32", "arith.addf", ("a", "b"), ("f32", "f32")),
    )
    return Kernel("add", (Loop(row), Loop(column)), (Stage((), statements, (Store(written, at, "s"),)),))


@pytest.mark.parametrize("same", [False, True])
def test_an_epilogue_reads_other_memories_than_the_reduction(same: bool) -> None:
    x, z = buffer("x", 4, 4, INPUT), buffer("z", 4, 4, INPUT)
    middle, out = buffer("m", 4, 4), buffer("y", 4, 4, OUTPUT)
    words = np.arange(16, dtype=np.float32).view(np.uint32).reshape(4, 4)
    weights = Buffer("w", (4, 4), "f32", ROM, words)
    kernels = (product("n", x, weights, middle), added(middle, x if same else z, out))
    program = Program.of("p", (x, z), (out,), kernels)
    fused, _ = FuseEpilogues().run(program, context(1))
    assert len(fused.kernels) == (2 if same else 1)
    inputs = [np.arange(16, dtype=np.float32).reshape(4, 4), np.ones((4, 4), np.float32)]
    for got, wanted in zip(program_values(fused, inputs), program_values(program, inputs), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("same", [True, False])
def test_an_epilogue_may_read_what_else_its_producer_makes(same: bool) -> None:
    """y = t + f(t), where f(t) is in t's kernel already: of another element of t it is not."""
    x, out = buffer("x", 4, 4, INPUT), buffer("y", 4, 4, OUTPUT)
    middle, function = buffer("m", 4, 4), buffer("f", 4, 4)
    row, column = Variable("r", 4), Variable("c", 4)
    at, turned = (variable(row), variable(column)), (variable(column), variable(row))
    made = Kernel(
        "f",
        (Loop(row), Loop(column)),
        (
            Stage(
                (),
                (
                    Load("a", "f32", middle, at),
                    Operation("n", "f32", "arith.negf", ("a",), ("f32",)),
                    Operation("s", "f32", "arith.mulf", ("n", "n"), ("f32", "f32")),
                ),
                (Store(function, at, "s"),),
            ),
        ),
    )
    last = added(middle, function, out)
    if not same:
        (stage,) = last.stages
        loads = (Load("a", "f32", middle, turned), *stage.statements[1:])
        last = replace(last, stages=(replace(stage, statements=loads),))
    program = Program.of("p", (x,), (out,), (added(x, x, middle), made, last))
    fused, _ = FuseEpilogues().run(program, context(1))
    assert len(fused.kernels) == (1 if same else 2)
    inputs = [np.arange(16, dtype=np.float32).reshape(4, 4)]
    for got, wanted in zip(program_values(fused, inputs), program_values(program, inputs), strict=True):
        np.testing.assert_array_equal(got, wanted)


def negated(name: str, read: Buffer, written: Buffer) -> Kernel:
    """written = -read, element by element."""
    row, column = Variable(f"{name}_i", written.shape[0]), Variable(f"{name}_j", written.shape[1])
    at = (variable(row), variable(column))
    statements = (Load("a", "f32", read, at), Operation("n", "f32", "arith.negf", ("a",), ("f32",)))
    return Kernel(name, (Loop(row), Loop(column)), (Stage((), statements, (Store(written, at, "n"),)),))


def guarded(kernel: Kernel, load: str, otherwise: float) -> Kernel:
    """The kernel with a number in place of row 0 of what `load` reads."""
    bits = int(np.float32(otherwise).view(np.uint32))
    (stage,) = kernel.stages
    statements = tuple(
        replace(s, guard=(s.indices[0] - 1,), otherwise_bits=bits) if isinstance(s, Load) and s.result == load else s
        for s in stage.statements
    )
    return replace(kernel, stages=(replace(stage, statements=statements),))


def programs() -> dict[str, Program]:
    """Programs whose last addition must not be fused in the obvious way."""
    x, z = buffer("x", 4, 4, INPUT), buffer("z", 4, 4, INPUT)
    out, before = buffer("y", 4, 4, OUTPUT), buffer("u", 4, 4, OUTPUT)
    words = np.arange(16, dtype=np.float32).view(np.uint32).reshape(4, 4)
    weights = Buffer("w", (4, 4), "f32", ROM, words)
    middle, other, again = buffer("m", 4, 4), buffer("o", 4, 4), buffer("t", 4, 4)
    made = product("n", x, weights, middle)
    return {
        "the other operand is written later": Program.of(
            "p", (x, z), (out,), (made, product("l", z, weights, other), added(middle, other, out))
        ),
        "what it writes is read before": Program.of(
            "p",
            (x, z),
            (out, before),
            (
                negated("first", x, again),
                made,
                negated("read", again, before),
                added(middle, z, again),
                negated("last", again, out),
            ),
        ),
        "not every element is read": Program.of("p", (x, z), (out,), (made, guarded(added(middle, z, out), "a", 7))),
        "other numbers stand for what is not read": Program.of(
            "p", (x, z), (out,), (guarded(added(x, x, middle), "b", 3), guarded(added(middle, x, out), "b", 5))
        ),
    }


@pytest.mark.parametrize("name", programs())
def test_values_are_kept(name: str) -> None:
    program = programs()[name]
    fused, _ = FuseEpilogues().run(program, context(1))
    inputs = [np.arange(16, dtype=np.float32).reshape(4, 4), np.ones((4, 4), np.float32)]
    for got, wanted in zip(program_values(fused, inputs), program_values(program, inputs), strict=True):
        np.testing.assert_array_equal(got, wanted)
