"""What Yosys makes of a design computes the same bits in the same cycles."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.sim.check import simulate_design


@pytest.mark.simulation
@pytest.mark.slow
def test_the_netlist_of_a_small_design_is_bit_exact() -> None:
    torch.manual_seed(4)
    x = torch.randn(2, 3)
    compiled = torch2hw.compile(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (x,)).compiled
    simulate_design(compiled, (x,), runs=3, netlist=True).check()
