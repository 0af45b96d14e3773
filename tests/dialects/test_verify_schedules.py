"""`verify` on schedules: a fault of any kind, planted in what a pass returns, is found at that pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.dialects.changes import (
    carried_early,
    kernel_changed,
    last_started,
    nodes,
    operations,
    planned,
    rounds_of,
)
from tests.dialects.planting import Fault, expect_fault
from torch2hw.dialects.program import Par

FAULTS = (
    # schedules
    Fault("level", "affine-to-scheduled", lambda p: replace(p, level="affine"), "it is of level affine"),
    Fault(
        "cycle before the start",
        "affine-to-scheduled",
        planned(start=lambda p: {name: cycle - 99 for name, cycle in p.start.items()}),
        "starts in cycle -",
    ),
    Fault(
        "initial values",
        "affine-to-scheduled",
        kernel_changed(0, schedule=carried_early),
        "its initial value is ready in",
    ),
    Fault("spacing", "affine-to-scheduled", operations(1, iterative=True), "in which its unit", model="dividing.py"),
    Fault("period", "overlap-kernels", nodes(lambda b: rounds_of(b, 1)), "of a round of 1"),
    Fault("rounds in flight", "overlap-kernels", nodes(lambda b: rounds_of(b, 99, 999)), "after two rounds of 99"),
    Fault("after rounds", "overlap-kernels", nodes(lambda b: rounds_of(b, 999)), "lets it in cycle"),
    Fault(
        "arms in time", "affine-to-scheduled", nodes(lambda b: [Par("p", (b[0],)), *b[1:]]), "have no static schedule"
    ),
    Fault("no schedule", "affine-to-scheduled", kernel_changed(0, schedule=None), "has no schedule"),
    Fault("no cycle", "affine-to-scheduled", planned(start={}), "has no cycle"),
    Fault("no unit", "affine-to-scheduled", operations(1, name="math.nothing"), "has no unit"),
    Fault(
        "latency",
        "affine-to-scheduled",
        planned(ready=lambda p: {k: v + 1 for k, v in p.ready.items()}),
        "and is ready in cycle",
    ),
    Fault(
        "operands",
        "affine-to-scheduled",
        planned(start=lambda p: {**p.start, last_started(p): 0}),
        "and its operand",
    ),
    Fault("interval", "affine-to-scheduled", planned(interval_cycles=0), "starts every 0 cycles"),
    Fault(
        "carried values",
        "affine-to-scheduled",
        kernel_changed(0, loops=lambda n: n.loops[::-1]),
        "iterations before is ready in",
    ),
    Fault("number of stores", "affine-to-scheduled", planned(store_cycles=[]), "and cycles of 0"),
    Fault(
        "store before its value",
        "affine-to-scheduled",
        planned(store_cycles=lambda p: [0] * len(p.store_cycles)),
        "is in cycle 0, and",
    ),
    Fault("depth", "affine-to-scheduled", planned(depth_cycles=lambda p: p.depth_cycles - 1), "and its depth is"),
    Fault(
        "order in time",
        "overlap-kernels",
        nodes(lambda b: [replace(b[0], start_cycle=99999), *b[1:]]),
        "lets it in cycle 99999",
    ),
    Fault(
        "before the start",
        "overlap-kernels",
        nodes(lambda b: [replace(b[0], start_cycle=-1), *b[1:]]),
        "starts in cycle -1",
    ),
    Fault(
        "shared units",
        "affine-to-scheduled",
        lambda p: replace(p, shared={"f32_tanh": 1}),
        "1 of unit f32_tanh are shared",
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.kind for fault in FAULTS])
def test_a_planted_fault_is_found_at_the_pass_that_made_it(fault: Fault, model: Path) -> None:
    expect_fault(fault, model)
