"""Random programs as hardware: simulated, they give every bit of the reference in exactly the predicted cycles.

Several programs are one design, since a build costs seconds. Whole numbers are compared with the values of the program
before any pass; other numbers with the reference, the scheduled program on the CPU.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.passes import random_programs
from tests.passes.compiled import LIBRARY, scheduled
from tests.passes.loop_values import program_values
from tests.passes.random_programs import Case, joined, random_case, values
from torch2hw.hwlib.contents import fill_verilog
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.lowering.manifest import manifest
from torch2hw.lowering.static import scheduled_to_calyx
from torch2hw.passes import choose_units
from torch2hw.passes.check_ports import faults
from torch2hw.sim.manifest import Manifest
from torch2hw.sim.simulation import Conditions, simulate


def check_design(case: Case, partition: int, folder: Path) -> None:
    program = scheduled(case.program, partition)
    assert not list(faults(program, LIBRARY))
    design = scheduled_to_calyx.lower(program, LIBRARY)
    verilog = hw_to_sv.export(calyx_to_hw.lower(design.text(), design.definitions))
    (folder / "out.sv").write_text(fill_verilog(verilog, design.contents))
    description = Manifest.from_json(manifest(design, "test", ["out.sv"], []))
    whole = case.inputs(1)
    rng = np.random.default_rng(2)
    other = [x if x.dtype != np.float32 else rng.standard_normal(x.shape).astype(np.float32) for x in case.inputs(2)]
    latency = design.latency_cycles
    hard = Conditions(repeats=2, hold_go=True, abandon_cycles=(1, latency // 3, latency - 1), meddle=True, seed=3)
    result = simulate(folder, description, [whole, other], hard)
    assert result.cycles == [[latency, latency]] * 2
    for port, got, expected in zip(
        description.outputs, result.outputs[0], program_values(case.program, whole), strict=True
    ):
        np.testing.assert_array_equal(got.reshape(port.shape), expected, f"whole numbers, {port.name}")
    for port, got, expected in zip(description.outputs, result.outputs[1], values(program, other), strict=True):
        np.testing.assert_array_equal(
            got.reshape(-1).view(np.uint32), expected.reshape(-1).view(np.uint32), f"other numbers, {port.name}"
        )


@pytest.mark.quick
@pytest.mark.simulation
@pytest.mark.parametrize("partition", [1, 2, 3])
def test_random_programs(partition: int, tmp_path: Path) -> None:
    check_design(joined([random_case(100 * partition + seed, 2) for seed in range(3)]), partition, tmp_path)


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 4, 27])
def test_random_programs_on_iterative_units(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every division and root, however often it is needed; in 4 and 27 behind sums that end between two of them."""
    monkeypatch.setattr(random_programs, "MAPS", ("arith.addf", "arith.mulf", "quotient", "root"))
    monkeypatch.setattr(choose_units, "saved_factor", lambda name: 1e12 if name in ("arith.divf", "math.sqrt") else 0.0)
    check_design(joined([random_case(5000 + 8 * seed + part, 4) for part in range(8)]), 1 + seed % 3, tmp_path)


@pytest.mark.simulation
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_more_random_programs(seed: int, tmp_path: Path) -> None:
    check_design(joined([random_case(1000 + 8 * seed + part, 3) for part in range(8)]), 1 + seed % 5, tmp_path)
