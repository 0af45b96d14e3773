"""How many block RAMs and UltraRAMs a design's memories take, and which are in UltraRAM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.hwlib.block_plan import is_for_ultra_ram, ultra_rams
from torch2hw.report import Report
from torch2hw.tools.errors import UsageError


@pytest.mark.parametrize(
    ("words", "bits", "rams", "suits"),
    [(4096, 72, 1, True), (4096, 32, 1, True), (8192, 36, 2, True), (4096, 8, 1, False), (512, 72, 1, False)],
)
def test_which_memories_suit_ultra_ram(words: int, bits: int, rams: int, suits: bool) -> None:
    assert (ultra_rams(words, bits), is_for_ultra_ram(words, bits)) == (rams, suits)


class Net(nn.Module):
    """An input of 4,096 words, weights of 512."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_needs_of_a_design() -> None:
    """Yosys 0.70 makes just these of it; weights are never in UltraRAM."""
    torch.manual_seed(0)
    found = {}
    for ultra in (False, True):
        design = torch2hw.compile(Net(), (torch.randn(64, 64),), ultra_ram=ultra).compiled
        needs = Report.of(design).to_json()["estimated_memories"]
        found[ultra] = (needs, design.manifest([], []).get("ultra_ram"), 'ram_style = "ultra"' in design.verilog())
    assert found[False] == ({"bram36": 5.0, "uram": 0}, None, False)
    assert found[True] == ({"bram36": 1.0, "uram": 1}, ["x_memory"], True)


def test_the_sequential_schedule_has_none() -> None:
    with pytest.raises(UsageError, match="--ultra-ram: not for the sequential schedule"):
        torch2hw.compile(Net(), (torch.randn(64, 64),), ultra_ram=True, schedule="sequential")
