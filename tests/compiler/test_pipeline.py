"""The list of passes names files: what they hold is what the list says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from torch2hw.compiler.compiled import library_of
from torch2hw.compiler.options import Options
from torch2hw.compiler.pipeline import SCHEDULES, passes_for


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_passes_are_what_the_list_says(schedule: str) -> None:
    steps, passes = SCHEDULES[schedule], passes_for(Options(schedule=schedule))
    for step, loaded in zip(steps, passes, strict=True):
        assert (step.name, step.source, step.target) == (loaded.name, loaded.source, loaded.target)
    assert all(before.target == after.source for before, after in pairwise(passes))


def test_designs_for_one_clock_and_policy_share_their_units() -> None:
    one, other, faster = (library_of(options) for options in (Options(), Options(partition=2), Options(clock_ns=2.0)))
    asked = ("arith.addf", ("f32", "f32"), "f32")
    assert one.unit(*asked) is other.unit(*asked)
    assert faster.unit(*asked).latency_cycles > one.unit(*asked).latency_cycles
