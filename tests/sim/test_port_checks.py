"""Assertions about memory ports in simulation: quiet where ports are free, and loud for a planted conflict."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import torch2hw
from tests.passes.test_check_ports import copy_kernel
from torch2hw.dialects.program import Program
from torch2hw.hwlib import Library
from torch2hw.hwlib.contents import fill_verilog
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.lowering.manifest import manifest
from torch2hw.lowering.static import scheduled_to_calyx
from torch2hw.passes.check_ports import faults
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.port_checks import MAX_REPORTED, port_checks
from torch2hw.sim.simulation import simulate
from torch2hw.tools.errors import CheckError


def run(program: Program, folder: Path) -> None:
    design = scheduled_to_calyx.lower(program, Library())
    verilog = hw_to_sv.export(calyx_to_hw.lower(design.text(), design.definitions))
    (folder / "p.sv").write_text(fill_verilog(verilog, design.contents))
    (folder / "checks.sv").write_text(port_checks(program))
    told = Manifest.from_json(manifest(design, "test", ["p.sv", "checks.sv"], []))
    x = np.random.default_rng(0).standard_normal(program.inputs[0].shape).astype(np.float32)
    (found,) = simulate(folder, told, [[x]]).outputs
    assert found[0].tobytes() == x.tobytes()


@pytest.mark.simulation
def test_enough_banks_are_quiet(tmp_path: Path) -> None:
    run(copy_kernel(3, 8, (1, 4), 4), tmp_path)


@pytest.mark.simulation
def test_a_planted_conflict_is_named(tmp_path: Path) -> None:
    planted = copy_kernel(3, 8, (1, 2), 4)
    assert list(faults(planted, Library()))  # the proof finds it too
    with pytest.raises(CheckError) as refused:
        run(planted, tmp_path)
    text = str(refused.value)
    assert "copy: read of x[r, c * 4 + 2] in cycle 0 has another address at its port, cycle 0" in text
    assert "y_b0 is written twice in a cycle, cycle 3" in text
    assert text.count(", cycle ") == MAX_REPORTED


def test_what_is_checked_is_only_beside_the_design() -> None:
    text = port_checks(copy_kernel(1, 4, (1, 4), 4))
    assert text.startswith("module p_port_checks(")
    assert "\nbind p p_port_checks port_checks(" in text


def test_no_line_grows_with_the_banks() -> None:
    """Verilator refuses lines of more than 40,000 tokens."""
    few, many = (port_checks(copy_kernel(1, banks, (1, banks), banks)) for banks in (4, 64))
    assert len(many) > 8 * len(few)
    assert max(map(len, many.splitlines())) < max(map(len, few.splitlines())) + 20


class EverySecond(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.softmax(x, 1)[:, ::2], 1)


EVERY_THIRD = torch.nn.Conv2d(4, 4, (3, 1), stride=(1, 3), dilation=(2, 1), groups=4)


@pytest.mark.parametrize(("model", "shape", "partition"), [(EverySecond(), (2, 8), 2), (EVERY_THIRD, (1, 4, 9, 7), 3)])
def test_a_bank_that_nothing_reads_has_no_memory(
    model: torch.nn.Module, shape: tuple[int, ...], partition: int
) -> None:
    """Found by the fuzzer: such a bank, of a temporary or an input, has no instance, and the checks named it."""
    compiled = torch2hw.compile(model, (torch.randn(shape),), partition=partition).compiled
    named = set(re.findall(r"int'\((\w+_memory)\.", port_checks(compiled.at("scheduled"))))
    assert named <= set(re.findall(r"^  ram_\w+ (\w+_memory) \(", compiled.verilog(), re.MULTILINE))
