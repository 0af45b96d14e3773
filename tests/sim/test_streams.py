"""`--interface axis`: the RTL of streams, simulated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import torch2hw
from torch2hw.benchmarks.generated_bench import run
from torch2hw.compiler.design_files import write_design
from torch2hw.sim.lint import lint
from torch2hw.sim.stream_simulation import simulate_streams
from torch2hw.sim.streams import StreamManifest, StreamPort
from torch2hw.sim.testbench import write_testbench
from torch2hw.tools.errors import CheckError


class Mixed(torch.nn.Module):
    """Every width of elements, shapes that are no multiples of beats or banks, a constant and an input as outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 10)
        self.register_buffer("table", torch.arange(6.0).reshape(2, 3))

    def forward(self, x: torch.Tensor, i: torch.Tensor, b: torch.Tensor, s: torch.Tensor, u: torch.Tensor) -> object:
        y = self.linear(x * s)
        sums = {"y": y, "z": torch.relu(y).sum(), "i": i + 1, "u": u + u}
        return {**sums, "not_b": ~b, "b": b, "h": i.to(torch.int16), "constant": self.table * 2}


def mixed_inputs() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    whole = torch.randint(-9, 9, (4, 3), generator=generator)
    some = torch.rand(9, generator=generator) > 0.5
    bytes_ = torch.randint(0, 99, (2, 2, 3), dtype=torch.uint8, generator=generator)
    return torch.randn(5, 3, generator=generator), whole, some, torch.tensor(2.0), bytes_


@pytest.mark.simulation
def test_every_element_type_is_exact_and_as_fast_as_predicted(tmp_path: Path) -> None:
    torch.manual_seed(3)
    design = torch2hw.compile(Mixed(), mixed_inputs(), partition=4, interface="axis", data_bits=512)
    result = design.simulate(runs=3)
    result.check()
    assert result.bit_exact and set(result.cycles) == {design.manifest["latency_cycles"]}
    assert set(result.intervals) == {design.manifest["interval_cycles"]}
    assert result.to_json()["interval_cycles"] == result.to_json()["predicted_interval_cycles"]
    with pytest.raises(CheckError, match="results came every"):
        replace(result, predicted_interval=1).check()
    design.write(tmp_path / "mixed.sv")
    assert not lint([tmp_path / "mixed.sv"], design.manifest["top"])
    told = design.manifest
    assert not {"start", "finish", "writes_while_running"} & told.keys()
    assert (told["clock"], told["reset"], told["reset_active"]) == ("ap_clk", "ap_rst_n", "low")


class Transfers(torch.nn.Module):
    """More to transfer than to compute; an output that another kernel reads."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.relu(x)
        return y, y.sum()


@pytest.mark.simulation
def test_a_beat_that_is_lost_where_its_sink_waits_is_found(tmp_path: Path) -> None:
    design = torch2hw.compile(torch.nn.ReLU(), (torch.randn(7, 3),), interface="axis", top="relu")
    manifest = StreamManifest.from_json(write_design(design.compiled, tmp_path / "relu.sv"))
    text = (tmp_path / "relu.sv").read_text()
    assert text.count("if (go_on) begin\n        ends") == 1
    (tmp_path / "relu.sv").write_text(text.replace("if (go_on) begin\n        ends", "if (1'h1) begin\n        ends"))
    sets = [[np.ones((7, 3), np.float32) * k] for k in range(4)]
    with pytest.raises(CheckError):
        simulate_streams(tmp_path, manifest, sets, 1)


class Constant(torch.nn.Module):
    """No inputs: it runs whenever its output is free."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(15.0).reshape(3, 5))

    def forward(self) -> torch.Tensor:
        product: torch.Tensor = self.weight @ self.weight.T
        return product


@pytest.mark.simulation
def test_transfers_that_take_longer_than_runs() -> None:
    design = torch2hw.compile(Transfers(), (torch.randn(7, 16),), partition=4, interface="axis", data_bits=128)
    assert design.manifest["interval_cycles"] > 1
    design.simulate(runs=2).check()


@pytest.mark.simulation
def test_a_model_without_inputs() -> None:
    torch2hw.compile(Constant(), (), interface="axis").simulate().check()


def test_beats_of_odd_widths() -> None:
    port = StreamPort("x", (3,), "i22", "s_axis_x", 2, 32, 64)
    array = np.array([-1, 5, -(1 << 21)], np.int32)
    beats = port.to_beats(array)
    assert beats.reshape(-1).tolist() == [255] * 4 + [5, 0, 0, 0] + [0, 0, 224, 255] + [0] * 4
    assert port.keep().reshape(-1).tolist() == [1] * 12 + [0] * 4
    assert np.array_equal(port.from_beats(beats), array & ((1 << 22) - 1))  # as such arrays are stored


class Layers(torch.nn.Module):
    """Two banks in each dimension at partition 2."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, b: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.relu(self.linear(x)), ~b, i + 1


@pytest.mark.simulation
@pytest.mark.parametrize(("interface", "data_bits"), [("axis", 32), ("axi", 64)])  # 32: half an i64
def test_cocotbext_axi_drives_the_design(interface: str, data_bits: int, tmp_path: Path) -> None:
    torch.manual_seed(5)
    inputs = (torch.randn(5, 4), torch.rand(5) > 0.5, torch.tensor([-3, 1 << 40]))
    design = torch2hw.compile(Layers(), inputs, partition=2, interface=interface, data_bits=data_bits)
    design.write(tmp_path / "layers.sv")
    assert not lint([tmp_path / "layers.sv"], design.manifest["top"])
    write_testbench(design.compiled, inputs, tmp_path / "bench")
    ran = run(tmp_path / "bench", "verilator", 60, within_seconds=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
    happened = json.loads((tmp_path / "bench" / "build" / "verilator" / "top" / "transactions.json").read_text())
    assert happened["transactions"] == 60
    assert any(found > 0 for kind, found in happened.items() if kind.startswith("resets"))
    wrong = {"axis": ("dropped",), "axi": ("errors_of_reads", "errors_of_writes", "misaligned")}[interface]
    assert all(happened[kind] > 0 for kind in wrong)
    if interface == "axi":  # DECERR is not seen
        file = tmp_path / "bench" / "rtl" / f"{design.manifest['top']}.sv"
        text = file.read_text()
        assert text.count("& rresp[1]") == 1
        file.write_text(text.replace("& rresp[1]", "& rresp == 2'h2"))
        ran = run(tmp_path / "bench", "verilator", 60, within_seconds=600)
        assert ran.returncode != 0 and "are told" in ran.stdout


@pytest.mark.simulation
def test_groups_go_on_in_the_next_row_of_three_banks() -> None:
    torch.manual_seed(5)
    design = torch2hw.compile(
        torch.nn.Linear(4, 10), (torch.randn(6, 4),), partition=3, interface="axis", data_bits=256
    )
    program, host = design.compiled.at("calyx").program, design.compiled.options.host
    layout = host.layout(program.outputs[0])
    assert (layout.buffer.bank_factors, layout.lanes, layout.lag) == ((3, 3), 2, 1)
    design.simulate(runs=3).check()
