"""`torch2hw check`: lines, costs and refusals of a model, together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torch2hw.cli import main

GOOD = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(16, 8)

    def forward(self, x):
        h = self.a(x)
        return torch.sigmoid(h), x + 1


model, example_inputs = Net(), torch.zeros(4, 16)
"""
BAD = GOOD.replace(
    "        return torch.sigmoid(h), x + 1",
    """        f = torch.fft.rfft(x).real
        g = torch.digamma(h)
        return f, g, torch.special.bessel_j0(h)""",
)


def test_lines_and_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.py"
    file.write_text(GOOD)
    assert main(["check", str(file), "--json", "--partition", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found["lines"]
    assert (first["line"], first["operations"]) == (11, ["aten.linear"])
    assert "aten.mm" in first["becomes"] and first["status"] == "expensive"
    assert first["estimated_cycles"] == 4 * 16 * 8 // 4 and first["estimated_luts"] > 4 * (360 + 101)
    assert (second["line"], second["operations"]) == (12, ["aten.sigmoid", "aten.add"])
    assert 0 < second["estimated_cycles"] < first["estimated_cycles"] + 1 and not found["refused"]


def test_refusals_of_graph_and_conversion_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.py"
    file.write_text(BAD)
    assert main(["check", str(file)]) == 1
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if "error[" in line]
    assert any(":12: error[unsupported-dtype]: the result of aten.fft_rfft is complex" in line for line in lines), said
    assert any(":13: error[unsupported-operation]: aten.digamma" in line for line in lines), said
    assert f"{file}: {len(lines)} refused" in said and ":11: aten.linear: supported" in said
