"""Banks: what random programs do not show by their values."""

from __future__ import annotations

import pytest

from tests.passes.compiled import scheduled
from tests.passes.random_programs import random_case
from torch2hw.analysis.banks import run_time_dimensions


@pytest.mark.parametrize(("seed", "partition"), [(5044, 5), (5057, 3), (5345, 2)])
def test_no_bank_depends_on_an_index_computed_at_run_time(seed: int, partition: int) -> None:
    """The hardware took the bank from the loops alone, and so read the wrong one."""
    program = scheduled(random_case(seed, 3).program, partition)
    whole = run_time_dimensions(program.kernels)
    assert any(not buffer.storage.in_kernel for buffer in whole)
    for buffer, dimensions in whole.items():
        assert all(buffer.bank_factors[d] == 1 for d in dimensions), buffer
