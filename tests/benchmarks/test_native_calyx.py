"""The points of the comparison with the native Calyx compiler that have models of their own."""

from __future__ import annotations

import pytest

from torch2hw.benchmarks.native_calyx import STATEFUL, loaded_model


@pytest.mark.parametrize("name", STATEFUL)
def test_models_with_state_take_their_inputs(name: str) -> None:
    assert loaded_model(name).example_inputs
