"""choose-units: what is divided rarely is divided slowly, by units that nobody disturbs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

import torch2hw
from tests.passes.compiled import LIBRARY, context, started, starts_of
from tests.quantisation.models import Layer, Weights
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Buffer, Carried, Constant, Kernel, Load, Loop, Operation, Stage, Store
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Variable, variable
from torch2hw.dialects.storage import INPUT, OUTPUT
from torch2hw.lowering.static import affine_to_scheduled
from torch2hw.passes.check_ports import faults
from torch2hw.passes.choose_units import ChooseUnits
from torch2hw.passes.overlap_kernels import OverlapKernels

TYPES = ("f32", "f32")


def sums_divided(name: str, sums: int, terms: int, divide: bool = True) -> Kernel:
    """y[i] = (x[i, 0] + x[i, 1] + …) / d[i], or the sums alone."""
    x, d = Buffer(f"{name}_x", (sums, terms), "f32", INPUT), Buffer(f"{name}_d", (sums,), "f32", INPUT)
    y = Buffer(f"{name}_y", (sums,), "f32", OUTPUT)
    i, k = Variable("i", sums), Variable("k", terms)
    add = Operation("next", "f32", "arith.addf", ("acc", "term"), TYPES)
    term, divisor = Load("term", "f32", x, (variable(i), variable(k))), Load("by", "f32", d, (variable(i),))
    first = Stage((Carried("acc", "f32", "zero", "next"),), (Constant("zero", "f32", 0), term, add))
    quotient = Operation("quotient", "f32", "arith.divf", ("next", "by"), TYPES)
    statements = (divisor, quotient) if divide else ()
    last = Stage((), statements, (Store(y, (variable(i),), "quotient" if divide else "next"),))
    return Kernel(name, (Loop(i), Loop(k, 0)), (first, last), macs=sums * terms)


def program_of(*kernels: Kernel) -> Program:
    inputs = {load.buffer: None for kernel in kernels for load in kernel.loads()}
    outputs = {store.buffer: None for kernel in kernels for store in kernel.stores()}
    return Program.of("p", tuple(inputs), tuple(outputs), kernels)


def chosen(program: Program, options: Options | None = None) -> Program:
    settings = context(1)
    settings.options = options or settings.options
    return ChooseUnits().run(program, settings)[0]  # type: ignore[arg-type]


def iterative(program: Program) -> list[bool]:
    operations = (each for kernel in program.kernels for each in kernel.statements() if isinstance(each, Operation))
    return [each.iterative for each in operations if each.name == "arith.divf"]


def test_what_is_rare_takes_its_time() -> None:
    work = sums_divided("work", 100, 100, divide=False)
    assert iterative(chosen(program_of(work, sums_divided("few", 10, 2)))) == [True]
    assert iterative(chosen(program_of(work, sums_divided("many", 2000, 2)))) == [False]
    few, many = sums_divided("few", 10, 2), sums_divided("many", 2000, 2)
    assert iterative(chosen(program_of(work, few, many))) == [False, False], "the pipeline is there for both"
    assert iterative(chosen(program_of(work, few), Options(iterative_units=False))) == [False]


@pytest.mark.parametrize(("terms", "interval"), [(2, 14), (9, 6), (30, 6)])
def test_the_unit_is_fed_where_a_sum_has_ended(terms: int, interval: int) -> None:
    """27 cycles a division are 14 an iteration of 2, and with 9 terms fewer than the 6 that the adder needs."""
    program = divided(sums_divided("n", 5, terms))
    assert program.kernels[0].plan.interval_cycles == interval
    assert not list(faults(program, LIBRARY))


def divided(*kernels: Kernel) -> Program:
    """Scheduled and overlapped with every division on an iterative unit."""
    every = [
        replace(
            kernel,
            stages=tuple(
                replace(
                    stage,
                    statements=tuple(
                        replace(each, iterative=True)
                        if isinstance(each, Operation) and each.name == "arith.divf"
                        else each
                        for each in stage.statements
                    ),
                )
                for stage in kernel.stages
            ),
        )
        for kernel in kernels
    ]
    return OverlapKernels().run(affine_to_scheduled.lower(program_of(*every), LIBRARY), context(1))[0]  # type: ignore[arg-type]


def test_operands_that_come_too_early_are_seen() -> None:
    program = divided(sums_divided("n", 5, 2))
    kernel = program.kernels[0]
    early = program.with_kernels([replace(kernel, schedule=replace(kernel.plan, interval_cycles=13))])
    assert list(faults(early, LIBRARY)) == ["n: quotient comes while f32_div_iterative is busy"]


def test_kernels_leave_each_other_the_unit() -> None:
    """They have nothing else in common, so the second starts when the unit is free."""
    program = divided(sums_divided("a", 3, 9), sums_divided("b", 3, 1))
    assert program.placed[1].start_cycle < program.placed[0].end_cycle
    assert not list(faults(program, LIBRARY))
    early = started(program, 0, starts_of(program)[1] - 1)
    assert any("f32_div_iterative" in text for text in faults(early, LIBRARY))


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize(("inputs", "digits"), [(12, 1), (7, 2)])
def test_codes_that_are_rare_need_no_multiplier(inputs: int, digits: int) -> None:
    """A sum ends in every iteration of so many; its code takes eight cycles, or four with two digits a cycle. No other
    kernel uses the unit, so that its totals are as short as the sums."""
    torch.manual_seed(0)
    x = torch.randn(60, inputs)
    model = Layer(functional.linear, Weights(5, inputs), returns="codes")
    design = torch2hw.compile(model, (x,))
    kernels = design.compiled.at("scheduled").kernels
    every = [s for kernel in kernels for s in kernel.statements() if isinstance(s, Operation)]
    (requantise,) = (s for s in every if s.name == "hwlib.requantise")
    assert requantise.iterative == digits and requantise.operand_types[0] in ("i18", "i19", "i20")
    result = design.simulate(x)
    assert result.bit_exact and set(result.cycles) == {result.predicted_cycles}


@pytest.mark.slow
@pytest.mark.parametrize(("partition", "digits"), [(2, 0), (16, 3)])
def test_luts_are_spare_where_dsps_run_out_first(partition: int, digits: int) -> None:
    """A sum ends in every third iteration: three digits a cycle take as many LUTs as a DSP is worth."""
    torch.manual_seed(0)
    x = torch.randn(64, 3 * partition)
    model = Layer(functional.linear, Weights(64, 3 * partition), returns="codes")
    program = torch2hw.compile(model, (x,), partition=partition).compiled.at("scheduled")
    every = [s for kernel in program.kernels for s in kernel.statements() if isinstance(s, Operation)]
    assert {s.iterative for s in every if s.name == "hwlib.requantise"} == {digits}
