"""Banks in one memory against a list of words for each, and how many share a block RAM."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.lowering.clocked_bench import run
from torch2hw.hwlib.bank_ram import bank_ram
from torch2hw.hwlib.block_plan import banks_of_a_block
from torch2hw.hwlib.export import verilog
from torch2hw.tools import yosys

CYCLES = 2000


@pytest.mark.quick
@pytest.mark.simulation
@pytest.mark.parametrize(("width", "depth", "banks"), [(16, 512, 2), (9, 500, 4), (1, 3, 3)])
def test_every_bank_holds_what_is_written(width: int, depth: int, banks: int, tmp_path: Path) -> None:
    memory = bank_ram(width, depth, banks)
    inputs = {port.name: port.width_bits for port in memory.inputs}
    rng = random.Random(0)
    near = [0, 1, depth - 1]  # written and read again and again
    stimulus = [
        {name: rng.choice(near) if name.endswith("addr") else rng.getrandbits(bits) for name, bits in inputs.items()}
        for _ in range(CYCLES)
    ]
    seen = run(verilog(memory.definition()), [memory.name], inputs, {"out": width * banks}, stimulus, tmp_path)
    cells: list[dict[int, int]] = [{} for _ in range(banks)]
    expected: list[int | None] = [None] * banks  # None: unspecified
    checked = 0
    for cycle, values in enumerate(stimulus):
        word = seen[memory.name][cycle]["out"]
        for bank, wanted in enumerate(expected):
            if wanted is not None:
                assert word >> width * bank & (1 << width) - 1 == wanted, f"bank {bank} in cycle {cycle}"
                checked += 1
        expected = [cells[bank].get(values["read_addr"]) for bank in range(banks)]
        for bank in range(banks):
            if values[f"write_en{bank}"]:
                cells[bank][values["write_addr"]] = values["write_data"]
    assert checked > CYCLES


@pytest.mark.parametrize(
    ("depth", "width", "banks"),
    [(512, 16, 2), (512, 18, 2), (512, 19, 1), (512, 9, 1), (1024, 9, 2), (1024, 16, 1), (2048, 9, 1), (256, 16, 1)],
)
def test_how_many_share_a_block(depth: int, width: int, banks: int) -> None:
    """256 words of 16 bits are in LUTs, and 512 of 9; a RAMB18 of 2048 words writes whole words only."""
    assert banks_of_a_block(depth, width) == banks


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "width"), [(512, 16), (1024, 8)])
def test_they_are_half_a_block_ram(depth: int, width: int) -> None:
    memory = bank_ram(width, depth, banks_of_a_block(depth, width))
    found = yosys.resources({"m.sv": verilog(memory.definition())}, memory.name)
    assert (found.bram36, found.lut) == (0.5, 0)
