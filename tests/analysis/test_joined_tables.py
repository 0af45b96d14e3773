"""Weights that lanes read at the same address lie side by side in block RAM, where that takes less."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import torch2hw
from tests.quantisation.models import Weights, two_layers
from torch2hw.analysis.joined_tables import in_kernel, joined_words, memory_name, side_by_side, stored_bits
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.storage import SHARED_ROM
from torch2hw.hwlib import block_plan


@pytest.mark.parametrize(
    ("depth", "bits", "count", "together"),
    [(204, 8, 8, True), (204, 8, 1, False), (64, 8, 8, False), (65, 8, 8, True), (600, 8, 2, True), (204, 8, 2, True)],
)
def test_where_block_ram_takes_less(depth: int, bits: int, count: int, together: bool) -> None:
    assert block_plan.side_by_side(depth, bits, count) == together


@pytest.mark.parametrize(
    ("depth", "bits", "most", "best"),
    [(204, 8, 8, 8), (204, 12, 4, 3), (204, 16, 4, 4), (204, 32, 2, 1), (204, 28, 2, 1), (2048, 9, 7, 1)],
)
def test_how_many_fill_a_word(depth: int, bits: int, most: int, best: int) -> None:
    """Those of 28 bits fill half a block RAM alone, as those of 9 bits do with 2048 words."""
    assert block_plan.most_side_by_side(depth, bits, most) == best


@pytest.mark.slow
def test_weights_of_16_bits() -> None:
    """Of those of which 12 bits change three are one memory."""
    torch.manual_seed(0)
    design = torch2hw.compile(torch.nn.Linear(64, 48), (torch.randn(64, 64),), partition=4, dtype="bf16").compiled
    (kernel,) = design.at("scheduled").kernels
    groups = [[load.buffer for load in loads] for loads in in_kernel(kernel)]
    assert [(len(group), stored_bits(group)) for group in groups] == [(3, 12), (3, 12), (2, 12), (1, 12), (1, 12)]
    assert design.verilog().count("reg [35:0] memory[0:383];") == 2


def test_words_side_by_side() -> None:
    tables = [
        Buffer(name, (3,), "i8", SHARED_ROM, np.array(data, np.uint8))
        for name, data in (("t0", [1, 2, 255]), ("t1", [3, 128, 0]))
    ]
    assert joined_words(tables).tolist() == [0x301, 0x8002, 0xFF]
    assert (memory_name(tables), memory_name(tables[:1])) == ("t0_to_t1_memory", "t0_memory")


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_in_hardware(shared: bool) -> None:
    """Beside shared multipliers, or in the kernel of 96 words for each lane; those of 24 words stay in LUTs."""
    torch.manual_seed(0)
    x = torch.randn(4, 32)
    model = two_layers(Weights(48, 32), Weights(8, 48))
    design = torch2hw.compile(model, (x,), partition=4, share_units=shared)
    program = design.compiled.at("scheduled")
    tables = [len(each) for each in side_by_side(program)]
    inside = [len(each) for kernel in program.kernels for each in in_kernel(kernel)]
    assert [count for count in (tables if shared else inside) if count > 1] == [8, 8]
    assert design.compiled.verilog().count('rom_style = "block"') == 2
    result = design.simulate(x)
    assert result.bit_exact and set(result.cycles) == {result.predicted_cycles}
