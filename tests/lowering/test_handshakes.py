"""The units and memories behind Calyx's go/done handshake, against Python's arithmetic."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.lowering.clocked_bench import run
from torch2hw.lowering.hardware import hw_to_sv
from torch2hw.lowering.sequential.handshakes import MULTIPLIER_CYCLES, divider, divider_cycles, multiplier

WIDTH = 6
MASK = (1 << WIDTH) - 1
DIVIDERS = {"divu": (False, False), "divs": (True, False), "remu": (False, True), "rems": (True, True)}


def signed(value: int) -> int:
    return value - (1 << WIDTH) if value >> (WIDTH - 1) else value


def expected(name: str, left: int, right: int) -> int:
    if name == "mult":
        return left * right & MASK
    if name.endswith("s"):
        left, right = signed(left), signed(right)
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return (quotient if name.startswith("div") else left - quotient * right) & MASK


@pytest.mark.quick
@pytest.mark.simulation
def test_pipes_compute_and_keep_their_time(tmp_path: Path) -> None:
    modules = {"mult": multiplier("mult", WIDTH)}
    modules |= {name: divider(name, WIDTH, *kind) for name, kind in DIVIDERS.items()}
    source = random.Random(3)
    operands = [(source.getrandbits(WIDTH), source.randrange(1, MASK + 1)) for _ in range(300)]
    operands += [(1 << (WIDTH - 1), MASK), (MASK, MASK), (0, 1), (MASK, 1), (5, 1 << (WIDTH - 1))]
    period = divider_cycles(WIDTH) + 3
    stimulus = [{"reset": 1, "go": 0, "left": 0, "right": 0}]
    for left, right in operands:
        stimulus += [{"reset": 0, "go": 1, "left": left, "right": right}] * (period - 2)
        stimulus += [{"reset": 0, "go": 0, "left": 9, "right": 9}] * 2
    widths = {"reset": 1, "go": 1, "left": WIDTH, "right": WIDTH}
    found = run(
        hw_to_sv.export("".join(modules.values())), list(modules), widths, {"out": WIDTH, "done": 1}, stimulus, tmp_path
    )
    for name in modules:
        latency = MULTIPLIER_CYCLES if name == "mult" else divider_cycles(WIDTH)
        for number, (left, right) in enumerate(operands):
            trace = found[name][1 + number * period : 1 + (number + 1) * period]
            done = [cycle for cycle, row in enumerate(trace) if row["done"]]
            assert done[0] == latency, f"{name}: done in {done}"
            assert trace[latency]["out"] == expected(name, left, right), f"{name}({left}, {right})"
