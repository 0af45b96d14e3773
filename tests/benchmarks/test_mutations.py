"""The faults that the mutation check plants: each still has its one place, and a test finds it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from torch2hw.benchmarks.mutations import (
    FAST,
    HERE,
    ROOT,
    SLOW,
    Fault,
    failing_test,
    faults,
    likely_tests,
    stages_for,
    text_of,
)
from torch2hw.explore.measure import read_points

TESTS = """
import pytest
def test_good():
    pass
@pytest.mark.parametrize("x", [1], ids=["of two words"])
def test_bad(x):
    assert not x
"""


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.kind)
def test_a_fault_can_be_planted(fault: Fault) -> None:
    ast.parse(fault.planted((ROOT / fault.file).read_text()))


def test_a_fault_without_one_place_is_no_fault() -> None:
    fault = Fault("twice", "x.py", "a", "b")
    for text in ("a a", "c"):
        with pytest.raises(ValueError, match=r"x\.py: twice"):
            fault.planted(text)


def test_no_fault_of_the_record_survives() -> None:
    points = {point["kind"]: point for point in read_points(HERE / "mutations.json")}
    every = {fault.kind for fault in faults()}
    assert len(faults()) == len(every) >= 60
    assert set(points) == every
    assert all(point["group"] in (FAST, SLOW) for point in points.values())
    assert sum(point["group"] == FAST for point in points.values()) >= 0.95 * len(points)
    assert not any("test_mutations" in point["test"] for point in points.values())
    assert (HERE / "mutations.md").read_text() == text_of(list(points.values()))


def test_the_tests_that_run_first_are_there() -> None:
    for fault in faults():
        assert all((ROOT / test).is_file() for test in likely_tests(fault.file))


def test_the_first_failing_test_is_named(tmp_path: Path) -> None:
    likely, others, slow = stages_for("passes/bank_memories.py")
    for test in likely.arguments[:1]:
        (tmp_path / test).parent.mkdir(parents=True)
        (tmp_path / test).write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\ntimeout = 9\n")
    assert failing_test(tmp_path, likely, 0) == f"{likely.arguments[0]}::test_bad[of two words]"
    assert failing_test(tmp_path, others, 0) is None
    assert failing_test(tmp_path, slow, 0) is None
