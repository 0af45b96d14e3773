from __future__ import annotations

import json
from pathlib import Path

import pytest

from torch2hw.cli import main

MODEL = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 2)
example_inputs = (torch.randn(1, 3),)
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(MODEL)
    return str(tmp_path / "net.py")


def test_vivado_project(model: str, tmp_path: Path) -> None:
    assert main(["fpga", model, "--flow", "vivado", "-o", str(tmp_path / "out"), "--clock-ns", "4", "-q"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"net.sv", "net.json", "clock.xdc", "flow.tcl", "build.tcl", "sweep.tcl", "README"}
    assert "-period 4 " in (tmp_path / "out" / "clock.xdc").read_text()


def test_a_full_directory_is_left_alone(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fpga", model, "--flow", "yosys", "-o", str(tmp_path)]) == 2
    assert "not an empty directory" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"net.py"}


@pytest.mark.slow
def test_yosys_and_report_agree(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fpga", model, "--flow", "yosys", "-o", str(tmp_path / "out"), "-q"]) == 0
    flow = json.loads((tmp_path / "out" / "report.json").read_text())
    assert main(["report", model, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert flow["resources"] == report["resources"]
    assert report["resources"]["dsp"] == 2
    assert flow["resource_tool"] == report["resource_tool"]
    (kernel,) = report["kernels"]
    assert kernel["lut"] > 0
    assert {part["module"] for part in flow["parts"]} >= {kernel["name"]}
