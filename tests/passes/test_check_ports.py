"""The proof about memory ports: it holds for what the compiler makes, and fails for every planted fault."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.passes.compiled import LIBRARY, context, scheduled
from tests.passes.random_programs import random_case
from torch2hw.analysis.port_accesses import Access, accesses
from torch2hw.analysis.residues import suspects
from torch2hw.analysis.round_faults import moved_rounds
from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Stage, Store
from torch2hw.dialects.program import Program, Rounds
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM
from torch2hw.dialects.verify import verify
from torch2hw.passes.check_ports import (
    CheckPorts,
    apart_by_enumeration,
    different_elements,
    faults,
    never_meet,
    read_first,
)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_pass(seed: int) -> None:
    program = scheduled(random_case(seed).program, 1 + seed % 5)
    verify("scheduled", program, LIBRARY)
    assert not list(faults(program, LIBRARY))


def copy_kernel(rows: int, columns: int, factors: tuple[int, ...], arms: int) -> Program:
    """y[r, arms·c + a] = x[r, arms·c + a] for every arm a, all reads in cycle 0 and all writes in cycle 3."""
    x = Buffer("x", (rows, columns), "f32", INPUT, factors=factors)
    y = Buffer("y", (rows, columns), "f32", OUTPUT, factors=factors)
    r, c = Variable("r", rows), Variable("c", columns // arms)
    at = [(variable(r), variable(c) * arms + arm) for arm in range(arms)]
    loads = tuple(Load(f"v{arm}", "f32", x, place) for arm, place in enumerate(at))
    stores = tuple(Store(y, place, f"v{arm}") for arm, place in enumerate(at))
    cycles = {load.result: 0 for load in loads}
    plan = Schedule(1, dict(cycles), dict.fromkeys(cycles, 1), [3] * arms, 4)
    kernel = Kernel("copy", (Loop(r), Loop(c)), (Stage((), loads, stores),), schedule=plan)
    return Program.of("p", (x,), (y,), (kernel,), level="scheduled")


def test_enough_banks_are_enough() -> None:
    assert not list(faults(copy_kernel(3, 8, (1, 4), 4), LIBRARY))
    assert not list(faults(copy_kernel(1, 4, (1, 4), 4), LIBRARY))


@pytest.mark.parametrize("rows", [3, 1 << 21])
def test_too_few_banks_collide(rows: int) -> None:
    found = list(faults(copy_kernel(rows, 8, (1, 2), 4), LIBRARY))
    assert found[0] == "copy: read of x[r, c * 4] in cycle 0 and read of x[r, c * 4 + 2] in cycle 0 collide"
    assert len(found) == 4, "two pairs of reads, two of writes"


def test_the_pass_names_the_accesses() -> None:
    good, bad = copy_kernel(3, 8, (1, 4), 4), copy_kernel(3, 8, (1, 1), 2)
    assert CheckPorts().run(good, context(1)) == (good, {})
    with pytest.raises(
        AssertionError, match=r"copy: read of x\[r, c \* 2\] in cycle 0 and read of x\[r, c \* 2 \+ 1\]"
    ):
        CheckPorts().run(bad, context(1))


def test_accesses_of_different_iterations_collide() -> None:
    """Arms whose banks change places from one iteration to the next are apart only if they are made in the same
    cycle."""
    x, y = Buffer("x", (9,), "f32", INPUT, factors=(2,)), Buffer("y", (8, 2), "f32", OUTPUT, factors=(1, 2))
    i = Variable("i", 8)
    loads = tuple(Load(f"v{arm}", "f32", x, (variable(i) + arm,)) for arm in range(2))
    stores = tuple(Store(y, (variable(i), Index((), arm)), f"v{arm}") for arm in range(2))
    kernel = Kernel("pairs", (Loop(i),), (Stage((), loads, stores),))
    for cycles, problems in (((0, 0), 0), ((0, 1), 0), ((1, 0), 1)):  # (0, 1): both read the same element
        plan = Schedule(1, dict(zip(("v0", "v1"), cycles, strict=True)), {}, [3, 3], 4)
        program = Program.of("p", (x,), (y,), (replace(kernel, schedule=plan),), level="scheduled")
        assert len(list(faults(program, LIBRARY))) == problems, cycles


class Overlapping(Buffer):
    """A buffer whose banks are too small."""

    @property
    def bank_shape(self) -> tuple[int, ...]:
        return tuple(size // factor for size, factor in zip(self.shape, self.bank_factors, strict=True))


def test_a_map_that_is_not_one_to_one_is_found() -> None:
    program = copy_kernel(3, 7, (1, 2), 1)
    wrong = Overlapping("x", (3, 7), "f32", INPUT, factors=(1, 2))
    changed = program.with_buffers({program.inputs[0]: wrong})
    assert "x (3, 7) does not fit its banks (1, 2)" in list(faults(changed, LIBRARY))


def test_a_write_outside_is_found() -> None:
    program = copy_kernel(3, 7, (), 1)
    kernel = program.kernels[0]
    y = program.outputs[0]
    outside = Store(y, (variable(kernel.loops[0].variable), variable(kernel.loops[1].variable) + 1), "v0")
    changed = replace(kernel, stages=(replace(kernel.stages[0], stores=(outside,)),))
    assert any("is outside the buffer" in text for text in faults(program.with_kernels([changed]), LIBRARY))


def test_a_value_overwritten_before_it_is_read_is_found() -> None:
    """x[i] = x[i + shift] in place: right for a shift from behind, wrong for one from ahead."""
    x, i = Buffer("x", (9,), "f32", RAM), Variable("i", 8)
    for read, write, problems in ((1, 0, 0), (0, 0, 0), (0, 1, 1)):
        kernel = Kernel(
            "shift",
            (Loop(i),),
            (Stage((), (Load("v", "f32", x, (variable(i) + read,)),), (Store(x, (variable(i) + write,), "v"),)),),
        )
        plan = Schedule(1, {"v": 0}, {"v": 1}, [1], 2)
        program = Program.of("p", (), (), (replace(kernel, schedule=plan),), level="scheduled")
        assert len(list(faults(program, LIBRARY))) == problems


@pytest.mark.parametrize("seed", range(12))
def test_residues_leave_no_pair_out_that_may_meet(seed: int) -> None:
    """Every pair that the functions for two accesses do not settle is looked at."""
    rng = np.random.default_rng(seed)
    variables = [Variable(f"i{d}", int(rng.integers(1, 6))) for d in range(3)]
    buffers = [Buffer(name, (64, 64), "f32", INPUT, factors=tuple(rng.integers(1, 5, 2).tolist())) for name in "ab"]

    def index() -> Index:
        total = Index((), int(rng.integers(0, 8)))
        for v in variables:
            total = total + variable(v) * int(rng.choice([0, 0, 1, 2, 4]))
        return total if rng.random() < 0.8 else total.floordiv(int(rng.integers(2, 4)))

    interval = int(rng.integers(1, 4))
    found = [
        Access(buffers[int(rng.integers(2))], bool(rng.random() < 0.3), (index(), index()), int(rng.integers(0, 6)))
        for _ in range(40)
    ]
    expected = [
        (left, right)
        for left, right in itertools.combinations(found, 2)
        if left.buffer is right.buffer
        and (
            not different_elements(left, right)
            if left.writes != right.writes
            else (left.cycle - right.cycle) % interval == 0 and not never_meet(left, right, False)
        )
    ]
    assert suspects(found, interval) == expected


@pytest.mark.parametrize("faster", [False, True])
def test_a_collision_in_a_later_round_is_found(faster: bool) -> None:
    """Reads of x[t] and x[t + 1], or of x[t] and x[4·t + 1], which are in one bank in the second round."""
    x, y = Buffer("x", (8,), "f32", INPUT, factors=(2,)), Buffer("y", (2, 4, 2), "f32", OUTPUT, factors=(1, 1, 2))
    t, i = Variable("t", 2), Variable("i", 4)
    second = variable(t) * (4 if faster else 1) + 1
    loads = (Load("v0", "f32", x, (variable(t),)), Load("v1", "f32", x, (second,)))
    stores = tuple(Store(y, (variable(t), variable(i), Index((), arm)), f"v{arm}") for arm in range(2))
    plan = Schedule(1, {"v0": 0, "v1": 0}, {"v0": 2, "v1": 2}, [2, 2], 3)
    kernel = Kernel("n", (Loop(t, in_rounds=True), Loop(i)), (Stage((), loads, stores),), schedule=plan)
    program = Program.of("p", (x,), (y,), (Rounds(2, (kernel,), period_cycles=4),), level="scheduled")
    assert moved_rounds(kernel, kernel) == (not faster)
    assert len(list(faults(program, LIBRARY))) == faster


@pytest.mark.parametrize("seed", range(12))
def test_what_residues_show_enumeration_confirms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    variables = [Variable(f"i{d}", int(rng.integers(1, 6))) for d in range(3)]
    buffer = Buffer("x", (64, 64), "f32", INPUT, factors=tuple(int(f) for f in rng.integers(1, 5, 2)))
    kernel = Kernel("n", tuple(Loop(v) for v in variables), ())

    def index() -> Index:
        total = Index((), int(rng.integers(0, 8)))
        for v in variables:
            total = total + variable(v) * int(rng.choice([0, 0, 1, 2, 3, 4]))
        return total if rng.random() < 0.8 else total.floordiv(int(rng.integers(2, 4)))

    for _ in range(20):
        plan = Schedule(int(rng.integers(1, 4)))
        left = Access(buffer, bool(rng.random() < 0.5), (index(), index()), int(rng.integers(0, 6)))
        shift = tuple(i + int(rng.integers(0, 3)) for i in left.indices)
        other = shift if rng.random() < 0.5 else (index(), index())
        right = replace(left, indices=other, cycle=left.cycle + plan.interval_cycles * int(rng.integers(0, 2)))
        kernel = replace(kernel, schedule=plan)
        if never_meet(left, right, left.cycle == right.cycle):
            assert apart_by_enumeration(kernel, left, right, CheckPorts.max_iterations), (left, right)
        read, write = replace(left, writes=False, cycle=5), replace(right, writes=True, cycle=0)
        if different_elements(read, write):
            assert read_first(kernel, read, write, CheckPorts.max_iterations), (read, write)


def test_reads_that_nobody_uses_count_too() -> None:
    program = scheduled(random_case(3).program, 2)
    for kernel in program.kernels:
        assert len(accesses(kernel)) == sum(1 for load in kernel.loads() if not load.buffer.storage.in_kernel) + sum(
            1 for _ in kernel.stores()
        )
