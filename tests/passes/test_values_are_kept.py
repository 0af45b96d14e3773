"""No pass changes what a program computes: random programs over whole numbers, whose sums are exact in any order."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.compiled import LIBRARY, LOOP_PASSES, context, equal, scheduled
from tests.passes.loop_values import program_values
from tests.passes.random_programs import Case, random_case, values
from torch2hw.analysis.reference import Reference
from torch2hw.dialects.verify import verify
from torch2hw.lowering.static import scheduled_to_scf
from torch2hw.sim.banked import pack


def check_passes(case: Case, partition: int) -> None:
    """Every pass keeps the values by definition and the promises of its level; at both ends the program's text gives
    the values on the CPU."""
    inputs = case.inputs(0)
    expected = program_values(case.program, inputs)
    assert not any(np.isnan(array).any() for array in expected), "the generator's own fault"
    program = case.program
    for step in LOOP_PASSES:
        before = program
        program, _ = step.run(program, context(partition))  # type: ignore[arg-type]
        if program is not before:
            verify("affine", program, LIBRARY)
            equal(program_values(program, inputs), expected, step.name)
    equal(values(program, inputs), expected, "on the CPU")


@pytest.mark.parametrize("partition", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(6))
def test_random_programs(seed: int, partition: int) -> None:
    check_passes(random_case(10 * seed + partition, 2 + seed % 4), partition)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_more_random_programs(seed: int) -> None:
    case = random_case(seed, 2 + seed % 4)
    for partition in (1, 2, 3, 4, 5):
        check_passes(case, partition)


@pytest.mark.parametrize("seed", range(5))
def test_the_definition_is_what_the_text_computes(seed: int) -> None:
    case = random_case(seed, 4)
    inputs = case.inputs(1)
    equal(values(case.program, inputs), program_values(case.program, inputs), "before any pass")


def test_the_scheduled_text_computes_the_same_values() -> None:
    case = random_case(4, 4)
    plan = scheduled(case.program, 2)
    verify("scheduled", plan, LIBRARY)
    packed = [pack(x, b.bank_factors) for x, b in zip(case.inputs(3), plan.inputs, strict=True)]
    text = scheduled_to_scf.emit(plan)
    for got, wanted in zip(Reference(text).run(packed), Reference(plan.text()).run(packed), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert "cycle = " in text and "schedule = {" in text
