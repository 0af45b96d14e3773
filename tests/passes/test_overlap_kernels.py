"""Start times: as early as the data allow, never earlier, and one kernel after the other on request."""

from __future__ import annotations

from itertools import product

import pytest

from tests.passes.compiled import LIBRARY, context, scheduled, started, starts_of
from tests.passes.random_programs import joined, random_case
from torch2hw.analysis.overlap_faults import overlap_faults
from torch2hw.analysis.start_times import Timed, TimedAccess, latest_minus_earliest
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM
from torch2hw.lowering.static import affine_to_scheduled
from torch2hw.passes.overlap_kernels import OverlapKernels

ROWS, COLUMNS = 5, 7
X = Buffer("x", (ROWS, COLUMNS), "f32", INPUT)
MIDDLE = Buffer("middle", (ROWS, COLUMNS), "f32", RAM)
OUT = Buffer("out", (ROWS, COLUMNS), "f32", OUTPUT)


def elementwise(name: str, source: Buffer, target: Buffer, operation: str, columns_outside: bool = False) -> Kernel:
    row, column = Variable(f"{name}_i", ROWS), Variable(f"{name}_j", COLUMNS)
    at: tuple[Index, ...] = (variable(row), variable(column))
    operands = 1 if operation == "math.exp" else 2
    statements = (
        Load("a", "f32", source, at),
        Operation("b", "f32", operation, ("a",) * operands, ("f32",) * operands),
    )
    loops = (Loop(column), Loop(row)) if columns_outside else (Loop(row), Loop(column))
    return Kernel(name, loops, (Stage((), statements, (Store(target, at, "b"),)),))


def two(second: str = "math.exp", columns_outside: bool = False) -> Program:
    kernels = (
        elementwise("first", X, MIDDLE, "arith.addf"),
        elementwise("second", MIDDLE, OUT, second, columns_outside),
    )
    return affine_to_scheduled.lower(Program.of("p", (X,), (OUT,), kernels), LIBRARY)


def overlapped(program: Program) -> Program:
    return OverlapKernels().run(program, context(1))[0]


def test_a_consumer_in_the_same_order_follows_at_the_depth_of_the_producer() -> None:
    program = two()
    written, read = program.kernels[0].plan.store_cycles[0], program.kernels[1].plan.start["a"]
    assert starts_of(overlapped(program)) == (0, written + 1 - read)


def test_a_consumer_in_another_order_waits_for_what_it_needs_first() -> None:
    program = two(columns_outside=True)
    written, read = program.kernels[0].plan.store_cycles[0], program.kernels[1].plan.start["a"]
    last = max((i * COLUMNS + j) - (j * ROWS + i) for i in range(ROWS) for j in range(COLUMNS))
    assert starts_of(overlapped(program)) == (0, written + 1 - read + last)


def test_a_shared_unit_is_one_kernels_at_a_time() -> None:
    program = two("arith.addf")
    assert program.shared == {"f32_add": 1}
    first, second = (kernel.plan.start["b"] for kernel in program.kernels)
    assert starts_of(overlapped(program)) == (0, first + ROWS * COLUMNS - second)
    alone = affine_to_scheduled.lower(program, LIBRARY, share=False)
    assert starts_of(overlapped(alone))[1] < starts_of(overlapped(program))[1]


@pytest.mark.parametrize("program", [two(), two(columns_outside=True), two("arith.addf")])
def test_a_cycle_earlier_is_found(program: Program) -> None:
    program = overlapped(program)
    assert not list(overlap_faults(program, LIBRARY))
    early = started(program, 0, starts_of(program)[1] - 1)
    assert list(overlap_faults(early, LIBRARY))


def test_it_can_be_switched_off() -> None:
    program = two()
    settings = context(1)
    settings.options = Options(overlap=False)
    assert OverlapKernels().run(program, settings)[0] is program
    assert starts_of(program) == (0, program.placed[0].end_cycle)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_are_proved_by_enumeration(seed: int) -> None:
    program = scheduled(joined([random_case(7000 + 2 * seed + part, 3) for part in range(2)]).program, 1 + seed % 4)
    assert not list(overlap_faults(program, LIBRARY))
    assert starts_of(program) == starts_of(overlapped(program))


def test_distances_are_no_less_than_enumeration_finds() -> None:
    assert sum(compared_distances(seed) for seed in range(8)) > 10


def compared_distances(seed: int) -> int:
    """Every pair of accesses to one buffer, element by element."""
    program = scheduled(random_case(7100 + seed, 4).program, 1 + seed % 3)
    kernels = [Timed(kernel, LIBRARY, program.shared) for kernel in program.kernels]
    compared = 0
    for number, later in enumerate(kernels):
        for earlier in kernels[:number]:
            for one in earlier.writes:
                for other in later.reads:
                    if one.buffer is other.buffer:
                        bound = latest_minus_earliest(earlier, one, later, other)
                        found = enumerated(earlier, one, later, other)
                        assert found is None or (bound is not None and bound >= found)
                        compared += 1
    return compared


def enumerated(first: Timed, one: TimedAccess, second: Timed, other: TimedAccess) -> int | None:
    late, early = touched(first, one), touched(second, other)
    common = late.keys() & early.keys()
    return max((max(late[place]) - min(early[place]) for place in common), default=None)


def touched(timed: Timed, access: TimedAccess) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    loops = [loop.variable for loop in timed.kernel.loops]
    if {v for index in access.indices for v in index.variables()} - set(loops):
        return found
    for values in product(*(range(v.extent) for v in loops)):
        at = dict(zip(loops, values, strict=True))
        place = tuple(index.evaluate(at.__getitem__) for index in access.indices)
        cycle = sum(timed.steps[v] * value for v, value in at.items()) + access.cycle
        if all(0 <= index < size for index, size in zip(place, access.buffer.shape, strict=True)):  # a lane is past it
            found.setdefault(place, []).append(cycle)
    return found
