"""Kernels as simulated: when they ran, and which of them stored a wrong value first; inputs from a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from torch2hw.cli import main
from torch2hw.compiler import design_files
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import load
from torch2hw.sim.check import simulate_design
from torch2hw.tools.errors import CheckError

pytestmark = pytest.mark.simulation

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        hidden = self.first(x)
        return self.second(torch.relu(hidden))


torch.manual_seed(1)
model = Net()
example_inputs = (torch.randn(4, 6),)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    return path


@pytest.mark.slow
def test_timeline_and_profile(model: Path, tmp_path: Path) -> None:
    trace, table = tmp_path / "t.json", tmp_path / "p.csv"
    written = ["--timeline", str(trace), "--profile", str(table)]
    assert main(["simulate", str(model), "--runs", "2", "-q", *written]) == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [(row["run"], row["kernel"]) for row in rows] == [(r, k) for r in "12" for k in ("matmul0", "matmul1")]
    first, second = rows[:2]
    assert (first["first_cycle"], first["stores"], first["macs"], first["source"]) == ("0", "20", "120", "net.py:11")
    latency = compile_model(load(str(model)), Options()).at("calyx").latency_cycles
    assert int(second["last_cycle"]) == latency - 1, "done comes in the cycle after the last store"
    events = json.loads(trace.read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X" and event["pid"] == 0]
    assert [event["name"] for event in slices] == ["net: go to done", "matmul0", "matmul1"]
    assert slices[0]["dur"] == pytest.approx(latency * 3.33e-3)
    assert slices[1]["args"]["last_cycle"] == int(first["last_cycle"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_the_first_kernel_at_fault_is_named(model: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    compiled = compile_model(load(str(model)), Options(partition=2, share_units=False))  # a table for each
    right = compiled.verilog()
    start = right.index(f"module net_matmul{number}_weights")
    wrong = right[:start] + right[start:].replace("memory[3] = 32'h", "memory[3] = ~32'h", 1)
    assert wrong != right
    monkeypatch.setattr(design_files, "fill_verilog", lambda verilog, table: wrong)
    with pytest.raises(CheckError) as caught:
        simulate_design(compiled, compiled.loaded.example_inputs).check()
    told = caught.value.why or ""
    line = 11 + number
    assert told.startswith(f"kernel matmul{number} (net.py:{line}) is the first at fault: "), told
    assert ("out[" if number else "matmul0_out[") in told


def saved(**arrays: np.ndarray) -> Callable[[Path], None]:  # type: ignore[type-arg]
    return lambda path: np.savez(path, **arrays)  # type: ignore[arg-type]


def numpy_file(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_inputs_from_a_file(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.npz"
    saved(x=np.full((4, 6), 2, np.float32))(path)
    assert main(["simulate", str(model), "--inputs", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bit_exact"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (saved(y=np.zeros(3)), "holds y, the inputs are x\n  fix: numpy.savez('x.npz', x=…)"),
        (saved(x=np.zeros((6, 4), np.float32)), "x has shape (6, 4), the design takes (4, 6)"),
        (
            saved(x=np.zeros((4, 6))),
            "x is float64, the design takes float32\n  fix: x.astype(numpy.float32)",
        ),
        (lambda path: path.write_text("no"), "cannot be read: it is not an archive of arrays"),
        (lambda path: path.touch(), "cannot be read: no data left in file"),
        (
            lambda path: path.write_bytes(numpy_file(np.zeros((4, 6), np.float32))),
            "holds one array without a name, the inputs are x",
        ),
        (lambda path: None, "cannot be read: no such file or directory"),
    ],
    ids=["names", "shape", "dtype", "format", "empty", "one array", "missing"],
)
def test_other_inputs_are_refused(
    model: Path, tmp_path: Path, write: Callable[[Path], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.npz"
    write(path)
    assert main(["simulate", str(model), "--inputs", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error[usage]: --inputs {path}: {message}")


def test_the_sequential_schedule_has_no_kernels(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(model), "--schedule", "sequential", "--profile", "p.csv"]) == 2
    assert "--schedule sequential has no kernels" in capsys.readouterr().err


def test_outputs_are_those_of_the_given_inputs(model: Path) -> None:
    compiled = compile_model(load(str(model)), Options())
    x = torch.full((4, 6), 2.0)
    torch.testing.assert_close(simulate_design(compiled, (x,)).outputs, compiled.loaded.model(x).detach())
