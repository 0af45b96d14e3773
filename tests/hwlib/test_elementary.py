"""Elementary functions: the error over a sample of all inputs (`hwlib.survey` measures all 2^32)."""

from __future__ import annotations

from pathlib import Path

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.survey import EXACT, survey


@pytest.mark.parametrize("operation", sorted(EXACT))
def test_error_is_within_the_bound(tmp_path: Path, operation: str) -> None:
    unit = Library().unit(operation, ("f32",), "f32")
    assert 0.5 < unit.error_ulp <= 2.0
    passed, text = survey(unit, operation, True, 4001, tmp_path)
    assert passed, text
