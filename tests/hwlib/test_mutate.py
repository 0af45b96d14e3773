"""A slice of `python -m torch2hw.hwlib.mutate`: the vectors of CI notice faults; harmless ones are proved harmless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torch2hw.hwlib.equivalence import same
from torch2hw.hwlib.faults import faults, faulty
from torch2hw.hwlib.mutate import SUBJECTS, judge


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


def test_too_few_vectors_miss_faults() -> None:
    subject = next(s for s in SUBJECTS if s.operation == "arith.maximumf")
    assert judge(subject, "flush", every=7, vectors=20).missed


def test_only_equal_units_are_proved_equal() -> None:
    unit = next(s for s in SUBJECTS if s.predicate == "olt").unit("flush")
    inverted = next(f for f in faults(unit) if f.what == "inverted" and f.node is unit.schedule.output)
    assert same(unit, [faulty(unit, inverted, "wrong"), replace(unit, name="again")]) == [False, True]
