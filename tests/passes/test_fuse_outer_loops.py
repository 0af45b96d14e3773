"""fuse-outer-loops: what is fused keeps its values in less memory; what must not be fused is not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from tests.passes.compiled import (
    LIBRARY,
    LOOP_PASSES,
    context,
    has_rounds,
    kept_by_every_pass,
    rounds_a_cycle_earlier,
    scheduled,
)
from torch2hw.analysis.handed_rows import stays
from torch2hw.analysis.start_times import overlapped
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM, ROM, Storage
from torch2hw.lowering.static import affine_to_scheduled
from torch2hw.passes import fuse_outer_loops
from torch2hw.passes.check_ports import faults
from torch2hw.passes.fuse_outer_loops import FuseOuterLoops


def buffer(name: str, rows: int, columns: int, storage: Storage = RAM) -> Buffer:
    return Buffer(name, (rows, columns), "f32", storage)


def mapped(name: str, read: Buffer, written: Buffer, shift: int = 0, transposed: bool = False) -> Kernel:
    """written[i, j] = read[i + shift, j] + itself; row 0 where that is outside."""
    row, column = Variable(f"{name}_i", written.shape[0]), Variable(f"{name}_j", written.shape[1])
    at = (variable(row), variable(column))
    place = at[::-1] if transposed else (at[0] + shift, at[1])
    guard = (place[0] * -1 + (read.shape[0] - 1),) if shift else ()
    statements = (
        Load("a", "f32", read, place, guard),
        Operation("b", "f32", "arith.addf", ("a", "a"), ("f32", "f32")),
    )
    return Kernel(name, (Loop(row), Loop(column)), (Stage((), statements, (Store(written, at, "b"),)),))


def product(name: str, read: Buffer, weights: Buffer, written: Buffer) -> Kernel:
    """A matrix product."""
    row, column = Variable(f"{name}_i", written.shape[0]), Variable(f"{name}_j", written.shape[1])
    inner = Variable(f"{name}_k", read.shape[1])
    i, j, k = variable(row), variable(column), variable(inner)
    statements = (
        Constant("zero", "f32", 0),
        Load("a", "f32", read, (i, k)),
        Load("w", "f32", weights, (k, j)),
        Operation("p", "f32", "arith.mulf", ("a", "w"), ("f32", "f32")),
        Operation("s", "f32", "arith.addf", ("acc", "p"), ("f32", "f32")),
    )
    stages = (
        Stage((Carried("acc", "f32", "zero", "s"),), statements),
        Stage((), (), (Store(written, (i, j), "s"),)),
    )
    loops = (Loop(row), Loop(column), Loop(inner, 0))
    return Kernel(name, loops, stages, macs=row.extent * column.extent * inner.extent)


def random_rows(seed: int) -> Program:
    """Two to four kernels, of which each hands rows to the next; whole numbers."""
    rng = random.Random(seed)
    rows = rng.choice((4, 6, 8, 9, 10, 12, 16, 25))
    data = np.random.default_rng(seed)
    here = buffer("x", rows, rng.randint(1, 5), INPUT)
    first, kernels = here, []
    count = rng.randint(2, 4)
    for number in range(count):
        storage = OUTPUT if number == count - 1 else RAM
        if rng.random() < 0.6:
            columns = rng.randint(1, 6)
            words = data.integers(-3, 4, (here.shape[1], columns)).astype(np.float32).view(np.uint32)
            weights = Buffer(f"w{number}", words.shape, "f32", ROM, words)
            there = buffer(f"t{number}", rows, columns, storage)
            kernels.append(product(f"n{number}", here, weights, there))
        else:
            there = buffer(f"t{number}", rows, here.shape[1], storage)
            kernels.append(mapped(f"n{number}", here, there))
        here = there
    return Program.of("p", (first,), (here,), tuple(kernels))


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be fused is worth it."""
    for step in LOOP_PASSES:
        if isinstance(step, FuseOuterLoops):
            monkeypatch.setitem(vars(step), "max_added", 1000.0)
    monkeypatch.setattr(fuse_outer_loops, "luts_of", lambda buffer, factors: 1000.0 * buffer.elements)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("seed", range(24))
def test_values_are_kept_in_less_memory(seed: int) -> None:
    kept_by_every_pass(random_rows(seed), 1 + seed % 4)


@pytest.mark.usefixtures("always")
def test_most_chains_of_rows_are_fused() -> None:
    fused = 0
    for seed in range(24):
        program, report = FuseOuterLoops(max_added=1000.0).run(random_rows(seed), context(1))
        fused += sum(isinstance(node, Rounds) for node in program.sequence)
        assert bool(report) == has_rounds(program)
    assert fused >= 12


@pytest.mark.usefixtures("always")
def test_a_round_that_comes_a_cycle_earlier_is_found() -> None:
    """Rounds are as close as they can be, and the checker notices one cycle less."""
    plans = [scheduled(random_rows(seed), 1 + seed % 3) for seed in range(16)]
    fused = [plan for plan in plans if has_rounds(plan)]
    assert len(fused) >= 3
    for plan in fused:
        assert not list(faults(plan, LIBRARY))
        assert list(faults(rounds_a_cycle_earlier(plan), LIBRARY))


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("what", ["another row", "another dimension", "a later reader", "an odd number of rows"])
def test_what_is_left_alone(what: str) -> None:
    rows = 7 if what == "an odd number of rows" else 8
    x, h, y = buffer("x", rows, 8, INPUT), buffer("h", rows, 8), buffer("y", rows, 8, OUTPUT)
    kernels = [mapped("n0", x, h), mapped("n1", h, y)]
    if what == "another row":
        kernels[1] = mapped("n1", h, y, shift=1)
    if what == "another dimension":
        kernels[1] = mapped("n1", h, y, transposed=True)
    if what == "a later reader":
        z = buffer("z", rows, 8, OUTPUT)
        kernels += [mapped("n2", x, buffer("unused", rows, 8)), mapped("n3", h, z, transposed=True)]
        program = Program.of("p", (x,), (y, z), tuple(kernels))
    else:
        program = Program.of("p", (x,), (y,), tuple(kernels))
    fused, report = FuseOuterLoops(max_added=1000.0).run(program, context(1))
    contracted = [each for each in fused.buffers() if each.name == "h" and each.shape != h.shape]
    if what == "an odd number of rows":
        assert [kernel.rounds for kernel in fused.kernels] == [7, 7], "seven rounds of a row"
    else:
        assert not contracted and (fused is program or what == "a later reader"), report


def test_it_can_be_switched_off() -> None:
    settings = context(1)
    settings.options = Options(fuse_loops=False)
    program = random_rows(0)
    assert FuseOuterLoops().run(program, settings) == (program, {})


def test_a_large_tensor_between_two_layers_shrinks_and_costs_no_cycle() -> None:
    words = np.ones((64, 48), np.uint32)
    weights = [
        Buffer("w0", (64, 48), "f32", ROM, words),
        Buffer("w1", (48, 4), "f32", ROM, words[:48, :4]),
    ]
    x, h, y = buffer("x", 64, 64, INPUT), buffer("h", 64, 48), buffer("y", 64, 4, OUTPUT)
    program = Program.of("p", (x,), (y,), (product("n0", x, weights[0], h), product("n1", h, weights[1], y)))
    plain = cycles(program, [step for step in LOOP_PASSES if step.name != "fuse-outer-loops"])
    assert cycles(program, LOOP_PASSES) <= plain
    fused, report = FuseOuterLoops().run(program, context(1))
    assert report == {"n0 and n1": "in 8 rounds"}
    assert {each.name: each.shape for each in fused.buffers()}["h"] == (8, 48)


def cycles(program: Program, steps: Sequence[object]) -> int:
    for step in steps:
        program, _ = step.run(program, context(1))  # type: ignore[attr-defined]
    return overlapped(affine_to_scheduled.lower(program, LIBRARY), LIBRARY).latency_cycles


def test_a_row_is_what_one_iteration_steps_over() -> None:
    row, column = Variable("i", 4), Variable("j", 3)
    indices: tuple[Index, ...] = (variable(row) * 2 + variable(column), variable(column))
    assert not stays(row, indices, 0), "the rows of two iterations overlap"
    assert stays(row, (variable(row) * 3 + variable(column),), 0)
