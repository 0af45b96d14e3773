"""reroll-loops: steps in rounds compute what they computed written out; what does not repeat is left alone."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.passes.compiled import (
    LIBRARY,
    context,
    has_rounds,
    kept_by_every_pass,
    rounds_a_cycle_earlier,
    scheduled,
    whole_numbers,
)
from tests.passes.loop_values import program_values
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Statement, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM, ROM
from torch2hw.passes.check_ports import faults
from torch2hw.passes.reroll_loops import RerollLoops

BOUND = 64  # of every value: whole numbers, exact in any order of summation


def bits(value: int) -> int:
    return int(np.float32(value).view(np.uint32))


def row(buffer: Buffer, number: int, column: Index) -> tuple[Index, ...]:
    return (Index((), number), column) if len(buffer.shape) == 2 else (column,)


def bounded(statements: list[Statement], name: str) -> str:
    """A value that stays within the bound."""
    statements += [
        Constant("high", "f32", bits(BOUND)),
        Constant("low", "f32", bits(-BOUND)),
        Operation("least", "f32", "arith.minimumf", (name, "high"), ("f32", "f32")),
        Operation("result", "f32", "arith.maximumf", ("least", "low"), ("f32", "f32")),
    ]
    return "result"


def mapped(
    name: str, reads: list[tuple[Buffer, int]], writes: list[tuple[Buffer, int]], flipped: bool = False
) -> Kernel:
    """The sum of vectors, which are rows of matrices or by themselves; the first one may be the other way round."""
    column = Variable(f"{name}_i", writes[0][0].shape[-1])
    at = variable(column)
    statements: list[Statement] = []
    for number, (buffer, place) in enumerate(reads):
        index = at * -1 + (column.extent - 1) if flipped and number == 0 else at
        statements.append(Load(f"v{number}", "f32", buffer, row(buffer, place, index)))
    total = "v0"
    for number in range(1, len(reads)):
        statements.append(Operation(f"s{number}", "f32", "arith.subf", (total, f"v{number}"), ("f32", "f32")))
        total = f"s{number}"
    result = bounded(statements, total)
    stores = tuple(Store(buffer, row(buffer, place, at), result) for buffer, place in writes)
    return Kernel(name, (Loop(column),), (Stage((), tuple(statements), stores),))


def product(name: str, weights: Buffer, reads: list[tuple[Buffer, int]], writes: list[tuple[Buffer, int]]) -> Kernel:
    """Weights times the first vector, plus the others."""
    outputs, inputs = weights.shape
    column, inner = Variable(f"{name}_j", outputs), Variable(f"{name}_k", inputs)
    (first, place), *others = reads
    reduction = (
        Constant("zero", "f32", 0),
        Load("v", "f32", first, row(first, place, variable(inner))),
        Load("w", "f32", weights, (variable(column), variable(inner))),
        Operation("p", "f32", "arith.mulf", ("v", "w"), ("f32", "f32")),
        Operation("s", "f32", "arith.addf", ("acc", "p"), ("f32", "f32")),
    )
    statements: list[Statement] = []
    total = "s"
    for number, (buffer, at) in enumerate(others):
        statements.append(Load(f"b{number}", "f32", buffer, row(buffer, at, variable(column))))
        statements.append(Operation(f"t{number}", "f32", "arith.addf", (total, f"b{number}"), ("f32", "f32")))
        total = f"t{number}"
    result = bounded(statements, total)
    stores = tuple(Store(buffer, row(buffer, at, variable(column)), result) for buffer, at in writes)
    stages = (Stage((Carried("acc", "f32", "zero", "s"),), reduction), Stage((), tuple(statements), stores))
    return Kernel(name, (Loop(column), Loop(inner, 0)), stages, macs=outputs * inputs)


def matrix(name: str, rng: np.random.Generator, outputs: int, inputs: int) -> Buffer:
    words = rng.integers(-2, 3, (outputs, inputs)).astype(np.float32).view(np.uint32)
    return Buffer(name, (outputs, inputs), "f32", ROM, words)


def recurrence(seed: int) -> Program:
    """Some steps of one to three kernels with one or two states; x has a row for each, and so may the results."""
    rng, data = random.Random(seed), np.random.default_rng(seed)
    size, steps = rng.choice((1, 2, 3, 5, 7, 12)), rng.randint(4, 7)
    x = Buffer("x", (steps, size), "f32", INPUT)
    every = Buffer("every", (steps, size), "f32", OUTPUT)
    last = Buffer("last", (size,), "f32", OUTPUT)
    shared = matrix("w", data, size, size)
    own, second, stacked, flipped, backwards, late = (rng.random() < 0.4 for _ in range(6))
    products = [rng.random() < 0.5 for _ in range(3)]
    injected = rng.random() < 0.3  # every step reads the first state, too
    states: list[Buffer] = []
    kernels: list[Kernel] = [mapped("start", [(x, 0)], [(initial := Buffer("h", (size,), "f32", RAM), 0)])]
    state, older = initial, initial
    for step in range(steps):
        at = steps - 1 - step if backwards else step
        new = Buffer(f"h{step}", (size,), "f32", RAM)
        middle = Buffer(f"m{step}", (size,), "f32", RAM)
        writes = [(new, 0), (every, at)] if stacked else [(new, 0)]
        weights = matrix(f"w{step}", data, size, size) if own else shared
        reads = [(state, 0), (x, at), *([(older, 0)] if second else []), *([(initial, 0)] if injected else [])]
        if products[0]:
            kernels.append(product(f"n{step}", weights, reads, [(middle, 0)]))
        else:
            kernels.append(mapped(f"n{step}", reads, [(middle, 0)], flipped))
        if products[1]:
            kernels.append(product(f"u{step}", shared, [(middle, 0), (state, 0)], writes))
        else:
            kernels.append(mapped(f"u{step}", [(middle, 0), (state, 0)], writes, flipped and not second))
        states.append(new)
        older, state = (state if second else initial), new
    kernels.append(mapped("end", [(state, 0), *([(states[1], 0)] if late else [])], [(last, 0)]))
    return Program.of("p", (x,), (every, last) if stacked else (last,), tuple(kernels))


def rerolled(program: Program) -> Program:
    return RerollLoops().run(program, context(1))[0]


def narrow() -> Program:
    """Five steps through two values: sums of 24 terms, too few at a time to fill the latency of an addition."""
    data = np.random.default_rng(0)
    x, y = Buffer("x", (5, 24), "f32", INPUT), Buffer("y", (24,), "f32", OUTPUT)
    down, up = matrix("down", data, 2, 24), matrix("up", data, 24, 2)
    states = [Buffer(f"h{k}", (24,), "f32", RAM) for k in range(6)]
    kernels = [mapped("first", [(x, 0)], [(states[0], 0)])]
    for k in range(5):
        middle = Buffer(f"m{k}", (2,), "f32", RAM)
        kernels.append(product(f"n{k}", down, [(states[k], 0)], [(middle, 0)]))
        kernels.append(product(f"u{k}", up, [(middle, 0), (x, k)], [(states[k + 1], 0)]))
    kernels.append(mapped("last", [(states[5], 0)], [(y, 0)]))
    return Program.of("p", (x,), (y,), tuple(kernels))


def test_sums_that_are_split_within_a_step() -> None:
    plan = kept_by_every_pass(narrow(), 1)
    assert [kernel.name for kernel in plan.kernels if kernel.is_in_rounds] == ["matmul0_partial", "matmul0", "matmul1"]


@pytest.mark.parametrize("seed", range(40))
def test_values_are_kept(seed: int) -> None:
    kept_by_every_pass(recurrence(seed), 1 + seed % 3)


def test_nearly_all_of_them_have_the_kernels_of_a_few_steps() -> None:
    written_out = kept = 0
    for seed in range(40):
        program = recurrence(seed)
        written_out += len(program.kernels)
        kept += len(rerolled(program).kernels)
    assert kept < 0.42 * written_out  # with injection, one step more


def test_a_step_that_comes_a_cycle_earlier_is_found() -> None:
    """Steps are as close as they can be, and the checker notices one cycle less."""
    plans = [scheduled(recurrence(seed), 1 + seed % 3) for seed in range(16)]
    plans = [plan for plan in plans if has_rounds(plan)]
    assert len(plans) >= 8
    for plan in plans:
        assert list(faults(rounds_a_cycle_earlier(plan), LIBRARY))


def steps_of(count: int, fused_read: bool = False, keep: int | None = None) -> Program:
    """h = x[t] - h, in one kernel or through a second buffer; kernel `keep`'s result is read at the end too."""
    x, y = Buffer("x", (count, 6), "f32", INPUT), Buffer("y", (6,), "f32", OUTPUT)
    state = Buffer("h", (6,), "f32", RAM)
    kernels = [mapped("first", [(x, 0)], [(state, 0)])]
    states = []
    for step in range(count):
        new = Buffer(f"h{step}", (6,), "f32", RAM)
        kernels.append(mapped(f"n{step}", [(state, 0), (x, step)], [(new, 0)], flipped=fused_read))
        states.append(new)
        state = new
    kept = [] if keep is None else [(states[keep], 0)]
    kernels.append(mapped("last", [(state, 0), *kept], [(y, 0)]))
    return Program.of("p", (x,), (y,), tuple(kernels))


def shapes(program: Program) -> dict[str, tuple[int, ...]]:
    return {buffer.name: buffer.shape for buffer in program.buffers() if buffer.storage == RAM}


def test_a_state_that_is_overwritten_where_it_is_read_is_one_buffer() -> None:
    program = rerolled(steps_of(8))
    assert [kernel.rounds for kernel in program.kernels] == [1, 8, 1]
    assert shapes(program) == {"h0": (6,)}


def test_a_state_that_is_read_while_the_next_one_is_written_has_two_rows() -> None:
    assert shapes(rerolled(steps_of(8, fused_read=True))) == {"h0": (2, 6)}


def test_a_state_that_is_read_elsewhere_has_a_row_for_each_step() -> None:
    assert shapes(rerolled(steps_of(8, keep=2))) == {"h0": (9, 6)}


def test_constants_of_each_step_have_rows() -> None:
    data = np.random.default_rng(0)
    x, y = Buffer("x", (1, 4), "f32", INPUT), Buffer("y", (4,), "f32", OUTPUT)
    layers = [Buffer(f"h{k}", (4,), "f32", RAM) for k in range(6)]
    kernels = [mapped("first", [(x, 0)], [(layers[0], 0)])]
    for k in range(5):
        kernels.append(product(f"n{k}", matrix(f"w{k}", data, 4, 4), [(layers[k], 0)], [(layers[k + 1], 0)]))
    kernels.append(mapped("last", [(layers[5], 0)], [(y, 0)]))
    program = rerolled(Program.of("p", (x,), (y,), tuple(kernels)))
    assert [kernel.rounds for kernel in program.kernels] == [1, 5, 1]
    assert [buffer.shape for buffer in program.buffers() if buffer.storage == ROM] == [(5, 4, 4)]
    assert program.kernels[1].macs == 5 * 16


def test_parts_of_a_concatenation_are_one_kernel() -> None:
    x, y = Buffer("x", (10, 4), "f32", INPUT), Buffer("y", (10, 4), "f32", OUTPUT)
    program = Program.of("p", (x,), (y,), tuple(mapped(f"n{k}", [(x, 9 - k)], [(y, k)]) for k in range(10)))
    changed = rerolled(program)
    assert len(changed.kernels) == 1 and not has_rounds(changed)
    for got, wanted in zip(*(program_values(each, whole_numbers(each)) for each in (changed, program)), strict=True):
        np.testing.assert_array_equal(got, wanted)


def patched(stride: int) -> Program:
    """Three rows at a time are copied, four times, `stride` rows further each time."""
    x, y = Buffer("x", (24, 2), "f32", INPUT), Buffer("y", (12, 2), "f32", OUTPUT)
    kernels = []
    for step in range(4):
        row_, column = Variable(f"n{step}_r", 3), Variable(f"n{step}_c", 2)
        load = Load("v", "f32", x, (variable(row_) * 2 + 3 * step, variable(column)))
        store = Store(y, (variable(row_) + stride * step, variable(column)), "v")
        kernels.append(Kernel(f"n{step}", (Loop(row_), Loop(column)), (Stage((), (load,), (store,)),)))
    return Program.of("p", (x,), (y,), tuple(kernels))


@pytest.mark.parametrize("stride, kernels", [(0, 4), (1, 4), (2, 4), (3, 1)])
def test_what_overlaps_keeps_its_order(stride: int, kernels: int) -> None:
    assert len(rerolled(patched(stride)).kernels) == kernels
    kept_by_every_pass(patched(stride), 2)


@pytest.mark.parametrize("what", ["two steps", "uneven rows", "nothing handed on", "an input of each step"])
def test_what_is_left_alone(what: str) -> None:
    program = steps_of(2 if what == "two steps" else 3)
    first, *steps, last = program.kernels
    (x,) = program.inputs
    if what == "uneven rows":
        steps[1] = mapped("n1", [(load_of(steps[1]), 0), (x, 0)], [(store_of(steps[1]), 0)])
    if what == "nothing handed on":
        steps = [mapped(f"n{k}", [(x, k)], [(store_of(kernel), 0)]) for k, kernel in enumerate(steps)]
        last = mapped("last", [(store_of(kernel), 0) for kernel in steps], [(program.outputs[0], 0)])
    if what == "an input of each step":
        own = [Buffer(f"x{k}", (6,), "f32", INPUT) for k in range(3)]
        steps = [mapped(n.name, [(load_of(n), 0), (own[k], 0)], [(store_of(n), 0)]) for k, n in enumerate(steps)]
        program = program.with_ports((x, *own), program.outputs)
    program = program.with_sequence([first, *steps, last])
    assert RerollLoops().run(program, context(1)) == (program, {})


def load_of(kernel: Kernel) -> Buffer:
    return next(kernel.loads()).buffer


def store_of(kernel: Kernel) -> Buffer:
    return next(kernel.stores()).buffer


def test_it_can_be_switched_off() -> None:
    settings = context(1)
    settings.options = Options(fuse_loops=False)
    program = steps_of(8)
    assert RerollLoops().run(program, settings) == (program, {})
