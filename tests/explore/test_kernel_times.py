from __future__ import annotations

from pathlib import Path

import pytest
import torch

from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.explore.kernel_times import bars, design_times
from torch2hw.frontend.load_model import load
from torch2hw.sim.check import simulate_design

MODEL = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(18, 3)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv(x)))
        return self.linear(torch.exp(x).flatten(1))

model = Net()
example_inputs = torch.randn(1, 1, 8, 8)
"""


@pytest.mark.simulation
def test_every_cycle_is_attributed_as_the_simulation_ran(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    compiled: Compiled = compile_model(load(str(tmp_path / "net.py")), Options(partition=2))
    found = design_times(compiled)
    result = simulate_design(compiled, (torch.randn(1, 1, 8, 8),), monitored=True)
    assert result.timeline is not None
    begin = result.timeline.runs[0]
    seen = sorted((each.number, each.first - begin, each.last - begin) for each in result.timeline.seen.kernels)
    told = bars(found.kernels)
    names = [kernel.name for kernel in found.kernels]
    assert seen == sorted((names.index(each["kernel"]), each["first"], each["end"] - 1) for each in told)
    assert len(found.kernels) > 2 and max(kernel.rounds for kernel in found.kernels) > 1
    assert sum(kernel.own_cycles for kernel in found.kernels) + found.idle_cycles == result.cycles[0]
    assert sum(found.of_lines().values()) == result.cycles[0]
    assert all(kernel.floor_cycles <= kernel.cycles for kernel in found.kernels)
