"""Loop programs taken through the passes, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from tests.passes.loop_values import Array, program_values
from torch2hw.analysis.reference import Reference
from torch2hw.compiler.options import Options
from torch2hw.compiler.pipeline import STATIC
from torch2hw.dialects.program import Program, Rounds
from torch2hw.hwlib import Library
from torch2hw.lowering.static import affine_to_scheduled, scheduled_to_scf
from torch2hw.passes.check_ports import faults
from torch2hw.passes.overlap_kernels import OverlapKernels
from torch2hw.sim.banked import pack

LOOP_PASSES = tuple(step.loaded() for step in STATIC if step.source == step.target == "affine")
LIBRARY = Library()


def context(partition: int) -> SimpleNamespace:
    return SimpleNamespace(library=LIBRARY, options=Options(partition=partition))


def scheduled(program: Program, partition: int) -> Program:
    for step in LOOP_PASSES:
        program, _ = step.run(program, context(partition))  # type: ignore[arg-type]
    result, _ = OverlapKernels().run(affine_to_scheduled.lower(program, LIBRARY), context(partition))
    return result


def whole_numbers(program: Program) -> list[Array]:
    """Values for the inputs whose sums and products are exact."""
    return [np.random.default_rng(1).integers(-9, 10, b.shape).astype(np.float32) for b in program.inputs]


def kept_by_every_pass(program: Program, partition: int) -> Program:
    """The schedule. Every pass keeps the values, no port is asked for twice, and the text computes the same."""
    inputs = whole_numbers(program)
    expected, changed = program_values(program, inputs), program
    for step in LOOP_PASSES:
        changed, _ = step.run(changed, context(partition))  # type: ignore[arg-type]
        equal(program_values(changed, inputs), expected, step.name)
    plan = scheduled(program, partition)
    assert not list(faults(plan, LIBRARY))
    packed = [pack(x, b.bank_factors) for x, b in zip(inputs, plan.inputs, strict=True)]
    scf = Reference(scheduled_to_scf.emit(plan)).run(packed)
    equal(scf, Reference(plan.text()).run(packed), "scheduled-to-scf")
    return plan


def equal(results: Sequence[Array], expected: Sequence[Array], where: str) -> None:
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, wanted, where)


def rounds_a_cycle_earlier(plan: Program) -> Program:
    """`plan` with every round one cycle too early."""
    earlier = [
        replace(node, period_cycles=node.period_cycles - 1) if isinstance(node, Rounds) else node
        for node in plan.sequence
    ]
    return plan.with_sequence(earlier)


def has_rounds(program: Program) -> bool:
    return any(isinstance(node, Rounds) for node in program.sequence)


def started(program: Program, *starts: int) -> Program:
    """A program whose nodes start in other cycles."""
    return program.with_sequence(
        [replace(node, start_cycle=start) for node, start in zip(program.sequence, starts, strict=True)]
    )


def starts_of(program: Program) -> tuple[int, ...]:
    return tuple(node.start_cycle for node in program.sequence)
