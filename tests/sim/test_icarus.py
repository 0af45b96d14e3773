"""Simulation from unknown state: Icarus gives what Verilator gives, and finds state that nothing initialises."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from torch2hw.cli import main
from torch2hw.sim.simulation import Conditions, simulate
from torch2hw.tools.errors import CheckError, InternalError, MissingTool

from .designs import affine_in, affine_inputs, affine_output

UNKNOWN = Conditions(state="unknown")
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs iverilog")
pytestmark = pytest.mark.simulation


@needs_icarus
@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(UNKNOWN, marks=pytest.mark.quick),
        Conditions(state="unknown", repeats=3, hold_go=True),
        Conditions(state="unknown", pulse_go=True, meddle=True, abandon_cycles=tuple(range(1, 16))),
    ],
)
def test_results_are_those_of_the_design(tmp_path: Path, conditions: Conditions) -> None:
    sets = [affine_inputs(seed) for seed in range(3)]
    result = simulate(tmp_path, affine_in(tmp_path), sets, conditions)
    assert result.cycles == [[15] * conditions.repeats] * 3
    for inputs, (y,) in zip(sets, result.outputs, strict=True):
        assert np.array_equal(y, affine_output(inputs))


@needs_icarus
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("      row <= '0;\n", "", r"done is unknown in cycle 23 of the simulation; .*timeout: done did not come"),
        ("busy <= 1'b0;", "", r"y\[0, 0\] of run 0 has unknown bits \(0x0+x+\)\n  why: it comes from state that is"),
        ("active & last;", "1'b0;", r"did not finish\n  why: timeout: done did not come within 1060 cycles of go"),
        ("& last;\n    if", "& busy;\n    if", r"done came 2 cycles after go, latency_cycles is 15"),
    ],
)
def test_a_fault_is_found(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    manifest = affine_in(tmp_path, (right, wrong))
    with pytest.raises(CheckError, match=message):
        simulate(tmp_path, manifest, [affine_inputs(0)], UNKNOWN)


@needs_icarus
def test_a_design_that_takes_writes_while_it_runs_is_found(tmp_path: Path) -> None:
    manifest = affine_in(tmp_path, ("if (x_we & ~active)", "if (x_we)"))
    inputs = affine_inputs(0)
    result = simulate(tmp_path, manifest, [inputs], Conditions(state="unknown", meddle=True))
    assert not np.array_equal(result.outputs[0][0], affine_output(inputs))


@needs_icarus
def test_what_icarus_does_not_read_is_told(tmp_path: Path) -> None:
    manifest = affine_in(tmp_path, ("endmodule", "endmodul"))
    with pytest.raises(InternalError, match="Icarus Verilog refused the generated SystemVerilog"):
        simulate(tmp_path, manifest, [affine_inputs(0)], UNKNOWN)


def test_a_missing_icarus_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = affine_in(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=r"needs iverilog, which is not installed\n  fix: apt-get install iverilog"):
        simulate(tmp_path, manifest, [affine_inputs(0)], UNKNOWN)


MODEL = "import torch\nmodel = torch.nn.Linear(3, 2)\nexample_inputs = (torch.ones(1, 3),)\n"


@needs_icarus
def test_the_command_simulates_from_unknown_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    assert main(["simulate", str(path), "--simulator", "icarus", "--runs", "2"]) == 0
    assert "net: bit-exact with its reference (2 runs)" in capsys.readouterr().out


def test_the_command_refuses_what_icarus_does_not_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    assert main(["simulate", str(path), "--simulator", "icarus", "--trace", str(tmp_path / "wave.vcd")]) == 2
    assert capsys.readouterr().err == (
        "error[usage]: --simulator icarus has no --trace, --timeline, --profile and --netlist\n"
        "  fix: leave them out, or --simulator verilator\n"
    )
