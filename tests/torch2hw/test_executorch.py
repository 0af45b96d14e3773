"""A `.pte` whose parts run on Verilated designs, through ExecuTorch's own runtime."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.skips import NO_EXECUTORCH


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.second(torch.relu(self.first(x))), -1)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.filterwarnings("ignore")  # of executorch's own code
@pytest.mark.skipif(importlib.util.find_spec("executorch") is None, reason=NO_EXECUTORCH)
def test_a_file_runs_on_its_designs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from executorch.exir import to_edge_transform_and_lower

    from torch2hw.executorch import Torch2HwPartitioner, load

    monkeypatch.setenv("TORCH2HW_PYTHON", sys.executable)
    torch.manual_seed(0)
    model, inputs = Model().eval(), (torch.randn(2, 6),)
    exported = torch.export.export(model, inputs)
    lowered = to_edge_transform_and_lower(exported, partitioner=[Torch2HwPartitioner(partition=2)])
    assert "executorch_call_delegate" in str(lowered.exported_program().graph)
    (tmp_path / "model.pte").write_bytes(lowered.to_executorch().buffer)
    assert b"manifest.json" in (tmp_path / "model.pte").read_bytes()
    (got,) = load(tmp_path / "model.pte").forward(inputs)
    torch.testing.assert_close(got, model(*inputs), rtol=1e-5, atol=1e-6)
