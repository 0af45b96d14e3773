"""A slice of `python -m torch2hw.hwlib.mutate`: the vectors of CI notice faults; harmless ones are proved harmless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.equivalence import same
from torch2hw.hwlib.exhaustive import difference
from torch2hw.hwlib.faults import faults, faulty
from torch2hw.hwlib.mutate import SUBJECTS, judge, shown_by_tests


@pytest.mark.parametrize(
    ("operation", "policy", "every"),
    [
        ("arith.mulf", "flush", 9),
        ("arith.maxnumf", "keep", 5),
        ("arith.fptosi", "flush", 9),
    ],
)
def test_the_vectors_notice_faults(operation: str, policy: str, every: int) -> None:
    subject = next(s for s in SUBJECTS if s.operation == operation)
    verdict = judge(subject, policy, every)
    assert verdict.by_oracle >= 10
    assert verdict.missed == verdict.undecided == ()


def test_a_pinned_result_notices_what_is_within_the_bound() -> None:
    subject = next(s for s in SUBJECTS if s.operation == "math.exp2")
    unit = subject.unit("keep")
    shown = shown_by_tests(subject, unit, faults(unit)[::24], "keep", 0)
    assert any(result and not bound for bound, result in shown)


def test_too_few_vectors_miss_faults() -> None:
    subject = next(s for s in SUBJECTS if s.operation == "arith.maximumf")
    assert judge(subject, "flush", every=7, vectors=20).missed


def test_only_equal_units_are_proved_equal() -> None:
    unit = next(s for s in SUBJECTS if s.predicate == "olt").unit("flush")
    inverted = next(f for f in faults(unit) if f.what == "inverted" and f.node is unit.schedule.output)
    assert same(unit, [faulty(unit, inverted, "wrong"), replace(unit, name="again")]) == [False, True]


def test_units_of_one_operand_are_compared_for_every_value() -> None:
    unit = Library().unit("math.exp", ("bf16",), "bf16")
    wrong = next(f for f in faults(unit) if f.what == "one more" and f.node is unit.schedule.output)
    assert difference(unit, replace(unit, name="again")) is None
    assert difference(unit, faulty(unit, wrong, "wrong")) == 0
