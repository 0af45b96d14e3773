"""requantise-after-maxima: when the greatest sum of a window is requantised instead of each, and that values stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.passes.compiled import LIBRARY
from tests.passes.random_programs import values
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, ROM
from torch2hw.passes.requantise_after_maxima import rewritten

LEVELS = ("zero", "low", "high")
TYPES = ("i27", "i18", "i10", "i10", "i10")
UNIT = LIBRARY.unit("hwlib.requantise", TYPES, "i8", "20")


def pooling(multiplier: int = 6000, edge: int = -128, kept: bool = False) -> Program:
    """The maximum over windows of four of codes that are sums of two; `kept`: something else needs the last code."""
    x, y = Buffer("x", (3, 4, 2), "i16", INPUT), Buffer("y", (3,), "i8", OUTPUT)
    row, window, term = (Variable(f"i{k}", size) for k, size in enumerate(x.shape))
    first = (
        Constant("start", "i20", 0),
        Load("a", "i16", x, (variable(row), variable(window), variable(term))),
        Operation("wide", "i20", "arith.extsi", ("a",), ("i16",)),
        Operation("total", "i20", "arith.addi", ("acc", "wide"), ("i20", "i20")),
    )
    second = (
        Constant("edge", "i8", edge & 255),
        Constant("multiplier", "i18", multiplier & (1 << 18) - 1),
        *(Constant(name, "i10", value & 1023) for name, value in zip(LEVELS, (-5, -128, 127), strict=True)),
        Operation("extended", "i27", "arith.extsi", ("total",), ("i20",)),
        Operation("code", "i8", "hwlib.requantise", ("extended", "multiplier", *LEVELS), TYPES, "20", UNIT.name),
        Operation("next", "i8", "arith.maxsi", ("most", "code"), ("i8", "i8")),
    )
    stages = (
        Stage((Carried("acc", "i20", "start", "total"),), first),
        Stage((Carried("most", "i8", "edge", "next"),), second),
        Stage((), (), (Store(y, (variable(row),), "code" if kept else "next"),)),
    )
    kernel = Kernel("pool", (Loop(row), Loop(window, 1), Loop(term, 0)), stages)
    return Program.of("p", (x,), (y,), (kernel,)).with_models([UNIT.software()])


def test_values_stay_and_the_window_has_no_requantisation() -> None:
    program = pooling()
    (kernel,) = program.kernels
    changed = rewritten(kernel)
    names = [[s.name for s in stage.statements if isinstance(s, Operation)] for stage in changed.stages]
    assert names == [["arith.extsi", "arith.addi"], ["arith.maxsi"], ["arith.extsi", "hwlib.requantise"]]
    assert changed.stages[1].carried[0].type == "i20"
    x = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (3, 4, 2), dtype=np.int64).astype(np.int16)
    x[1], x[2] = -(1 << 15), x[2] // 4
    before, after = (values(each, [x])[0] for each in (program, program.with_kernels([changed])))
    assert before.tolist() == after.tolist() and before[1] == -128


@pytest.mark.parametrize(
    "program",
    [pooling(multiplier=-6000), pooling(edge=-100), pooling(kept=True)],
    ids=["an order that turns round", "a maximum that begins above the bound", "codes that something needs"],
)
def test_others_stay_as_they_are(program: Program) -> None:
    (kernel,) = program.kernels
    assert rewritten(kernel) is kernel


def test_a_multiplier_of_the_window_stays_in_it() -> None:
    (kernel,) = pooling().kernels
    table = Buffer("m", (4,), "i18", ROM, np.arange(4, dtype=np.uint32))
    window = kernel.loops[1].variable
    second = kernel.stages[1]
    statements = tuple(
        Load("multiplier", "i18", table, (variable(window),)) if s.result == "multiplier" else s
        for s in second.statements
    )
    stages = (kernel.stages[0], replace(second, statements=statements), kernel.stages[2])
    other = replace(kernel, stages=stages)
    assert rewritten(other) is other
