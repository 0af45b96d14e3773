"""`--interface axi`: the RTL, simulated with a host and a memory of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import torch2hw
from torch2hw.compiler.design_files import write_design
from torch2hw.dialects.bus_timing import window_beats
from torch2hw.sim.bus_simulation import simulate_bus
from torch2hw.sim.buses import BusManifest
from torch2hw.sim.simulate_compiled import first_groups
from torch2hw.tools.errors import CheckError


class Sides(torch.nn.Module):
    """Elements of several widths, padding, several bursts; with 32 bits more to write than to compute."""

    def forward(self, x: torch.Tensor, i: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.relu(x), i + 1, ~b


def sides() -> tuple[torch.Tensor, ...]:
    return torch.randn(19, 16), torch.tensor([[-3, 1 << 40, 7]]), torch.rand(9) > 0.5


@pytest.mark.simulation
@pytest.mark.parametrize("data_bits", [32, 512])
def test_runs_are_exact_and_take_the_cycles_of_the_manifest(data_bits: int) -> None:
    design = torch2hw.compile(Sides(), sides(), partition=4, interface="axi", data_bits=data_bits)
    told = design.manifest
    assert data_bits != 32 or told["interval_cycles"] > told["latency_cycles"] + 1  # bound by transfers
    result = design.simulate(runs=20)
    result.check()
    facts = result.to_json()
    assert facts["bit_exact"] and facts["cycles"] == told["latency_cycles"]
    assert facts["interval_cycles"] == facts["predicted_interval_cycles"] == told["interval_cycles"]
    assert facts["run_cycles"] == facts["predicted_run_cycles"] == told["run_cycles"]
    assert facts["memory_latency_cycles"] == 1 and "(20 runs)" in str(result)


@pytest.mark.simulation
def test_a_start_that_is_written_while_inputs_are_fetched_is_kept(tmp_path: Path) -> None:
    design = torch2hw.compile(Sides(), sides(), partition=4, interface="axi", data_bits=512)
    manifest = BusManifest.from_json(write_design(design.compiled, tmp_path / "sides.sv"))
    text = (tmp_path / "sides.sv").read_text()
    assert text.count("auto_restart | again") == 1
    (tmp_path / "sides.sv").write_text(text.replace("auto_restart | again", "auto_restart"))
    sets = [[tensor.numpy() for tensor in sides()] for _ in range(20)]
    with pytest.raises(CheckError, match="did not finish"):
        simulate_bus(tmp_path, manifest, sets, first_groups(design.compiled))


def test_bursts_are_as_long_as_a_page_allows() -> None:
    assert [window_beats(bits) for bits in (32, 64, 128, 256, 512)] == [256, 256, 256, 128, 64]
