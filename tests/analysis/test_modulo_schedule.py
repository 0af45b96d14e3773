"""A schedule starts nothing before its operands are there, and keeps every carried value until it is replaced."""

from __future__ import annotations

import pytest

from tests.passes.compiled import LIBRARY, scheduled
from tests.passes.random_programs import random_case
from torch2hw.analysis.modulo_schedule import iteration_distance, runs_apart, schedule
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    Kernel,
    Load,
    Loop,
    Operation,
    Stage,
    Store,
    operand_names,
)
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM
from torch2hw.lowering.static import affine_to_scheduled
from torch2hw.passes.check_ports import faults


def check_order(kernel: Kernel, plan: Schedule) -> None:
    for stage_number, stage in enumerate(kernel.stages):
        for statement in stage.statements:
            for name in operand_names(statement):
                if name in plan.ready:
                    assert plan.ready[name] <= plan.start[statement.result], (
                        f"{kernel.name}: {statement.result} before {name}"
                    )
        for carried in stage.carried:
            read = plan.start[carried.name]
            assert plan.ready.get(carried.init, 0) <= read, f"{kernel.name}: {carried.name} before its initial value"
            again = read + iteration_distance(kernel, stage_number) * plan.interval_cycles
            assert plan.ready.get(carried.next, 0) <= again, f"{kernel.name}: {carried.next} is late"
    for store, cycle in zip(kernel.stores(), plan.store_cycles, strict=True):
        assert plan.ready.get(store.value, 0) <= cycle < plan.depth_cycles


@pytest.mark.parametrize("seed", range(25))
def test_order_in_random_programs(seed: int) -> None:
    program = scheduled(random_case(seed).program, 1 + seed % 4)
    for kernel in program.kernels:
        check_order(kernel, kernel.plan)


def sums_from_a_bias(carried: int) -> Kernel:
    """Sums of a constant that start at one bias, which is loaded after the statement that uses the sum."""
    bias, result = Buffer("b", (4,), "f32", INPUT), Buffer("y", (4, carried), "f32", OUTPUT)
    i, k = Variable("i", 4), Variable("k", 9)
    one = Constant("one", "f32", 0x3F800000)
    steps = [Operation(f"next{n}", "f32", "arith.addf", (f"acc{n}", "one"), ("f32", "f32")) for n in range(carried)]
    load = Load("bias", "f32", bias, (variable(i),))
    first = Stage(tuple(Carried(f"acc{n}", "f32", "bias", f"next{n}") for n in range(carried)), (one, *steps, load))
    last = Stage(
        (), (), tuple(Store(result, (variable(i), variable(Variable("z", 1)) + n), f"next{n}") for n in range(carried))
    )
    return Kernel("sums", (Loop(i), Loop(k, 0)), (first, last))


@pytest.mark.parametrize("carried", [1, 3])
def test_an_initial_value_that_is_late_delays_the_first_use(carried: int) -> None:
    kernel = sums_from_a_bias(carried)
    (bias,), result = (load.buffer for load in kernel.loads()), next(kernel.stores()).buffer
    program = affine_to_scheduled.lower(Program.of("p", (bias,), (result,), (kernel,)), LIBRARY)
    check_order(kernel, program.kernels[0].plan)


def test_reads_whose_banks_change_places_meet_in_one_cycle() -> None:
    """x[i] is wanted an addition later than x[i + 1]; in one cycle two banks are enough for an iteration a cycle."""
    x, y = Buffer("x", (9,), "f32", INPUT, factors=(2,)), Buffer("y", (8,), "f32", OUTPUT)
    i = Variable("i", 8)
    types = ("f32", "f32")
    statements = (
        Load("late", "f32", x, (variable(i),)),
        Load("soon", "f32", x, (variable(i) + 1,)),
        Operation("double", "f32", "arith.addf", ("soon", "soon"), types),
        Operation("sum", "f32", "arith.addf", ("double", "late"), types),
    )
    kernel = Kernel("pairs", (Loop(i),), (Stage((), statements, (Store(y, (variable(i),), "sum"),)),))
    program = affine_to_scheduled.lower(Program.of("p", (x,), (y,), (kernel,)), LIBRARY)
    assert program.kernels[0].plan.interval_cycles == 1
    assert not list(faults(program, LIBRARY))


def test_what_needs_only_the_carried_value_waits_for_it() -> None:
    """h = h·c + (x·x + x): the product with h starts when the last h is there, though its operands are no others."""
    x, y, i = Buffer("x", (9,), "f32", INPUT), Buffer("y", (1,), "f32", OUTPUT), Variable("i", 9)
    types = ("f32", "f32")
    statements = (
        Constant("c", "f32", 0x3F800000),
        Load("e", "f32", x, (variable(i),)),
        Operation("square", "f32", "arith.mulf", ("e", "e"), types),
        Operation("term", "f32", "arith.addf", ("square", "e"), types),
        Operation("scaled", "f32", "arith.mulf", ("h", "c"), types),
        Operation("next", "f32", "arith.addf", ("scaled", "term"), types),
    )
    stores = (Store(y, (Index((), 0),), "next"),)
    kernel = Kernel("n", (Loop(i, 0),), (Stage((Carried("h", "f32", "c", "next"),), statements), Stage((), (), stores)))
    plan = schedule(kernel, lambda operation: 4)
    assert plan.interval_cycles == 8
    check_order(kernel, plan)


def test_a_carried_value_may_be_the_next_of_another() -> None:
    """late = the value that soon had an iteration before."""
    x, y, i = Buffer("x", (9,), "f32", INPUT), Buffer("y", (1,), "f32", OUTPUT), Variable("i", 9)
    types = ("f32", "f32")
    statements = (
        Constant("c", "f32", 0x3F800000),
        Load("e", "f32", x, (variable(i),)),
        Operation("early", "f32", "arith.addf", ("late", "c"), types),
        Operation("square", "f32", "arith.mulf", ("e", "early"), types),
        Operation("next", "f32", "arith.addf", ("soon", "square"), types),
    )
    stores = (Store(y, (Index((), 0),), "next"),)
    carried = (Carried("late", "f32", "c", "soon"), Carried("soon", "f32", "c", "next"))
    kernel = Kernel("n", (Loop(i, 0),), (Stage(carried, statements), Stage((), (), stores)))
    check_order(kernel, schedule(kernel, lambda operation: 4))


def test_reads_at_computed_places_wait_for_each_other() -> None:
    """Two elements of one memory, at places that are ready in the same cycle, are stored at once."""
    places, table = Buffer("places", (6, 2), "index", INPUT), Buffer("table", (9,), "f32", INPUT)
    result = Buffer("y", (6, 2), "f32", OUTPUT)
    i = Variable("i", 6)
    statements, stores = [], []
    for n in range(2):
        here = (variable(i), Index((), n))
        statements += [
            Load(f"place{n}", "index", places, here),
            Load(f"element{n}", "f32", table, (variable(Variable(f"place{n}", 9)),)),
        ]
        stores.append(Store(result, here, f"element{n}"))
    kernel = Kernel("n", (Loop(i),), (Stage((), tuple(statements), tuple(stores)),))
    plan = schedule(kernel, lambda operation: 0)
    assert plan.interval_cycles == 2
    check_order(kernel, plan)
    scheduled_program = affine_to_scheduled.lower(Program.of("p", (places, table), (result,), (kernel,)), LIBRARY)
    assert not list(faults(scheduled_program, LIBRARY))


def test_an_element_is_read_before_another_value_is_stored_in_its_place() -> None:
    """y = x·x + m, m = x: the new m is there long before the old one is wanted."""
    x, m, y = Buffer("x", (9,), "f32", INPUT), Buffer("m", (9,), "f32", RAM), Buffer("y", (9,), "f32", OUTPUT)
    i, types = Variable("i", 9), ("f32", "f32")
    at = (variable(i),)
    statements = (
        Load("new", "f32", x, at),
        Operation("square", "f32", "arith.mulf", ("new", "new"), types),
        Load("old", "f32", m, at),
        Operation("sum", "f32", "arith.addf", ("square", "old"), types),
    )
    stores = (Store(m, at, "new"), Store(y, at, "sum"))
    plan = schedule(Kernel("n", (Loop(i),), (Stage((), statements, stores),)), lambda operation: 4)
    assert plan.ready["new"] <= plan.start["old"] < plan.store_cycles[0]


def test_equal_reads_for_early_and_late_uses_share_a_cycle() -> None:
    """At II = 1 a second cycle would be another iteration's, with another element in the one port."""
    x, y = Buffer("x", (9,), "f32", INPUT), Buffer("y", (9,), "f32", OUTPUT)
    i, types = Variable("i", 9), ("f32", "f32")
    at = (variable(i),)
    statements = (
        Load("soon", "f32", x, at),
        Operation("square", "f32", "arith.mulf", ("soon", "soon"), types),
        Load("late", "f32", x, at),
        Operation("sum", "f32", "arith.addf", ("square", "late"), types),
    )
    kernel = Kernel("n", (Loop(i),), (Stage((), statements, (Store(y, at, "sum"),)),))
    plan = schedule(kernel, lambda operation: 4)
    assert plan.interval_cycles == 1 and plan.start["soon"] == plan.start["late"]


def test_iterations_between_runs() -> None:
    i, j, k, m = (Variable(name, extent) for name, extent in (("i", 2), ("j", 3), ("k", 4), ("m", 5)))
    stages = (Stage((), ()), Stage((), ()))
    for loops, distance in [
        ((Loop(i), Loop(k, 0), Loop(m, 0)), 1),
        ((Loop(k, 0), Loop(m, 0), Loop(j)), 3),
        ((Loop(k, 0), Loop(i), Loop(m, 0), Loop(j)), 3),
        ((Loop(i), Loop(k, 0), Loop(j), Loop(m)), 15),
    ]:
        assert iteration_distance(Kernel("n", loops, stages), 0) == distance
    assert runs_apart(Kernel("n", (Loop(i), Loop(k, 0), Loop(m, 0)), stages), 1) == 20


@pytest.mark.parametrize(("spacing", "interval"), [(1, 1), (8, 1), (9, 2), (17, 3)])
def test_an_iterative_unit_is_free_when_its_stage_runs_again(spacing: int, interval: int) -> None:
    """A root after each sum of eight: its unit has eight iterations of time."""
    x, y = Buffer("x", (3, 8), "f32", INPUT), Buffer("y", (3,), "f32", OUTPUT)
    i, k, types = Variable("i", 3), Variable("k", 8), ("f32", "f32")
    one = Constant("zero", "i32", 0)
    first = Stage(
        (Carried("acc", "i32", "zero", "next"),),
        (
            one,
            Load("e", "i32", x, (variable(i), variable(k))),
            Operation("next", "i32", "arith.addi", ("acc", "e"), types),
        ),
    )
    root = Operation("root", "f32", "math.sqrt", ("next",), ("f32",))
    last = Stage((), (root,), (Store(y, (variable(i),), "root"),))
    kernel = Kernel("n", (Loop(i), Loop(k, 0)), (first, last))
    plan = schedule(kernel, lambda each: 1, lambda each: spacing if each.name == "math.sqrt" else 1)
    assert plan.interval_cycles == interval
