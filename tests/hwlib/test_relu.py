"""ReLU's unit against what it stands for: the comparison's unit in front of the selection."""

from __future__ import annotations

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.bits import evaluate

STEP = {"f8E4M3FN": 1, "f8E5M2": 1, "bf16": 13, "f16": 13, "f32": 8_000_009}
EDGES = (0, 1, 0x80000000, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x7F800000, 0xFF800000, 0x7F800001, 0xFFC00001)


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("form", list(STEP))
def test_it_is_the_comparison_and_the_selection(form: str, policy: str) -> None:
    library = Library(subnormals=policy)
    relu = library.unit("hwlib.relu", (form,), form)
    above = library.unit("arith.cmpf", (form, form), "i1", "ugt")
    width = relu.output.width_bits
    values = [*range(0, 1 << width, STEP[form]), *(EDGES if form == "f32" else ())]
    for value in values:
        chosen = evaluate(above.schedule.output, {"left": value, "right": 0})
        assert evaluate(relu.schedule.output, {"in": value}) == (value if chosen else 0), hex(value)


def test_it_is_one_stage_that_a_reset_ends() -> None:
    assert Library().unit("hwlib.relu", ("f32",), "f32").latency_cycles == 1
