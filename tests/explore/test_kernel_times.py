from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch

from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.dialects.loops import Kernel
from torch2hw.explore.kernel_times import bars, design_times
from torch2hw.frontend.load_model import load
from torch2hw.sim.check import simulate_design

MODEL = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = nn.RNN(3, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        found, _ = self.steps(x)
        return torch.exp(self.last(found))

model = Net()
example_inputs = torch.randn(6, 3)
"""


def idle_at_the_end(kernel: Kernel) -> int:
    """The iterations after the last one that the kernel's domain has."""
    variables = [loop.variable for loop in kernel.loops]
    for number, values in enumerate(product(*(range(v.extent - 1, -1, -1) for v in variables))):
        at = dict(zip(variables, values, strict=True))
        if all(index.evaluate(at.__getitem__) >= 0 for index in kernel.domain):
            return number
    raise AssertionError(f"{kernel.name} has no iterations")


@pytest.mark.simulation
def test_every_cycle_is_attributed_as_the_simulation_ran(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    compiled = compile_model(load(str(tmp_path / "net.py")), Options(partition=2))
    found = design_times(compiled)
    result = simulate_design(compiled, (torch.randn(6, 3),), monitored=True)
    assert result.timeline is not None
    begin = result.timeline.runs[0]
    names = [kernel.name for kernel in found.kernels]
    starts = sorted((each.number, each.first - begin) for each in result.timeline.seen)
    assert starts == sorted((names.index(each["kernel"]), each["first"]) for each in bars(found.kernels))
    scheduled = compiled.at("scheduled").kernels
    for number, kernel in enumerate(found.kernels):  # a store after the next start counts for the next round
        last = max(each.last for each in result.timeline.seen if each.number == number) - begin
        idle = idle_at_the_end(scheduled[number]) * kernel.interval_cycles
        assert last == kernel.end_cycle - 1 - idle
    assert len(names) > 1 and max(kernel.rounds for kernel in found.kernels) > 1
    assert sum(kernel.own_cycles for kernel in found.kernels) + found.idle_cycles == result.cycles[0]
    assert sum(found.of_lines().values()) == result.cycles[0]
    assert all(kernel.floor_cycles <= kernel.cycles for kernel in found.kernels)
