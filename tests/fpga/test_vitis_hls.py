from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from torch2hw.cli import main
from torch2hw.fpga import vitis_hls
from torch2hw.tools.errors import UsageError
from torch2hw.tools.resources import Resources

REPORTS = Path(__file__).parent / "reports"
MODEL = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(5, 4), nn.Tanh())
example_inputs = (torch.randn(3, 5),)
"""


def test_the_bench_accepts_the_design_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    out = tmp_path / "out"
    assert (
        main(["fpga", str(tmp_path / "net.py"), "--flow", "vitis-hls", "--partition", "2", "-o", str(out), "-q"]) == 0
    )
    assert "set_top net\n" in (out / "run.tcl").read_text()
    assert "create_clock -period 3.33 " in (out / "run.tcl").read_text()
    assert ran(out) == 0
    design = (out / "design.cpp").read_text()
    (out / "design.cpp").write_text(design.replace("std::tanh(", "std::sin("))
    assert ran(out) == 1


def ran(folder: Path) -> int:
    command = ["g++", "-std=c++14", "-Wno-unknown-pragmas", "design.cpp", "testbench.cpp", "-o", "bench"]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run(["./bench"], cwd=folder, capture_output=True).returncode


def test_reports(tmp_path: Path) -> None:
    report = vitis_hls.read_csynth((REPORTS / "csynth.xml").read_text())
    assert report == vitis_hls.HlsReport(13122, 13123, 3.33, 2.431, Resources(13799, 15083, 80, 11.5, 0))
    for name, place in ((REPORTS / "csynth.xml", vitis_hls.REPORT), (REPORTS / "ffnn_cosim.rpt", vitis_hls.COSIM)):
        target = tmp_path / place if place.endswith(".xml") else tmp_path / place / name.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(name.read_text())
    assert vitis_hls.read_reports(tmp_path, "ffnn").cycles == 13099


def test_reports_that_say_nothing(tmp_path: Path) -> None:
    text = (REPORTS / "csynth.xml").read_text()
    assert vitis_hls.read_csynth(text.replace(">13122<", ">undef<")).cycles is None
    for bad, message in ((text.replace("<LUT>13799</LUT>", ""), "has no AreaEstimates/Resources/LUT"), ("{}", "no")):
        with pytest.raises(UsageError, match=message):
            vitis_hls.read_csynth(bad)
    failed = (REPORTS / "ffnn_cosim.rpt").read_text().replace("Pass", "Fail")
    with pytest.raises(UsageError, match="says Fail"):
        vitis_hls.read_cosim(failed)
    with pytest.raises(UsageError, match=r"csynth\.xml is missing"):
        vitis_hls.read_reports(tmp_path, "ffnn")
