"""What the commands do with models in number formats: they work, or say what is unsupported and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torch2hw.cli import main

MODEL = """import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(7, 3), nn.SiLU(), nn.Linear(3, 2))
example_inputs = (torch.randn(4, 7),)
"""
FORMATS = {"int8": ("--quantize", "int8"), "bf16": ("--dtype", "bf16")}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "net.py"
    file.write_text(MODEL)
    return file


@pytest.mark.parametrize("form", FORMATS)
def test_cpp_has_no_such_types(form: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(model), *FORMATS[form], "--emit", "hls"]) == 1
    told = capsys.readouterr().err
    assert "error[unsupported-operation]: --emit hls: type " in told
    assert "fix: compile the model in float32, without --quantize and --dtype, or leave --emit hls out\n" in told


@pytest.mark.slow
def test_commands_take_int8(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sequential schedule too."""
    given = [str(model), *FORMATS["int8"], "--quiet"]
    assert main([*given, "--check", "-o", str(tmp_path / "net.sv")]) == 0
    assert main([*given, "--schedule", "sequential", "-o", str(tmp_path / "sequential.sv")]) == 0
    assert main([*given, "--emit", "futil", "-o", str(tmp_path / "net.futil")]) == 0
    assert main(["testbench", *given, "-o", str(tmp_path / "bench")]) == 0
    capsys.readouterr()
    assert main(["report", *given, "--no-synthesis", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["macs"] == 4 * (7 * 3 + 3 * 2)
