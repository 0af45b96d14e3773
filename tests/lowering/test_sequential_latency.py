"""The cycles that `sequential_latency` says, against an interpreter of what Calyx means."""

from __future__ import annotations

import pytest

from tests.lowering.calyx_interpreter import Machine
from tests.lowering.control_cases import programs
from torch2hw.dialects import calyx, calyx_reader
from torch2hw.lowering.sequential.sequential_latency import latency_cycles

CASES = programs()


@pytest.mark.parametrize(
    "name", ["dyn_group", "dyn_both", "dyn_seq", "dyn_par", "dyn_repeat", "dyn_mixed", "window", "static_seq"]
)
def test_as_long_as_calyx_means(name: str) -> None:
    program = calyx_reader.read(calyx.verified(CASES[name]))
    component = program.components[name]
    machine = Machine(program, component)
    done = [machine.cycle({"reset": 0, "go": cycle == 0, "x": 5, "clk": 0})["done"] for cycle in range(100)]
    assert latency_cycles(component, {}, []) == done.index(1)
