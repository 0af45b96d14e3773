"""What `pytest --only-listed-skips` makes of skipped tests and files."""

from __future__ import annotations

import pytest

from tests.conftest import checked
from tests.skips import SKIPS


def outcome(reason: str, **more: str) -> str:
    report = pytest.TestReport("a", ("a", 1, "a"), {}, "skipped", ("a.py", 1, f"Skipped: {reason}"), "call")
    return checked(report, more.get("expected_failure")).outcome


def test_a_reason_that_is_not_listed_fails() -> None:
    assert outcome("not today") == "failed"
    assert outcome("", expected_failure="known") == "skipped"
    assert {outcome(reason) for reason in SKIPS} == {"skipped"}


def test_so_does_that_of_a_file() -> None:
    report = pytest.CollectReport("a", "skipped", ("a.py", 1, "Skipped: never"), [])
    assert checked(report, None).outcome == "failed"
    assert "tests/skips.py does not list the reason: never" in str(report.longrepr)
