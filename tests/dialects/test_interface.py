"""Host ports and bank ports: the designs have those that the records say, and nothing else spells their names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyslang import ast, syntax

from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.options import Options
from torch2hw.dialects.bank_ports import bank_ports, is_like_a_bank
from torch2hw.dialects.interface import CONTROL, MEMORY, HostPort, MemoryInterface
from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.names import UniqueNames
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM, STATE
from torch2hw.frontend.load_model import load
from torch2hw.hwlib.memories import address_bits
from torch2hw.lowering.manifest import manifest
from torch2hw.sim.manifest import Manifest

ROOT = Path(__file__).parents[2]
MODEL = """
import torch

class Mixed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(6, 5)

    def forward(self, x, scale, which: torch.Tensor):
        y = torch.relu(self.linear(x) * scale)
        return {"y": y, "most": y.sum(), "picked": which.to(torch.int16) + 1}

model = Mixed()
example_inputs = (torch.randn(7, 6), torch.tensor(2.0), torch.ones(3, dtype=torch.int8))
"""


def compiled(folder: Path, schedule: str) -> Compiled:
    (folder / "mixed.py").write_text(MODEL)
    return compile_model(load(str(folder / "mixed.py")), Options(partition=2, schedule=schedule))


def ports_of(verilog: str, module: str) -> set[HostPort]:
    """The ports of a module, as slang reads them."""
    compilation = ast.Compilation()
    compilation.addSyntaxTree(syntax.SyntaxTree.fromText(verilog))
    tops = {top.name: top for top in compilation.getRoot().topInstances}
    return {
        HostPort(port.name, port.type.bitWidth, port.direction == ast.ArgumentDirection.In)
        for port in tops[module].body.portList
    }


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["static", "sequential"])
def test_the_top_has_the_ports_of_the_interface(schedule: str, tmp_path: Path) -> None:
    design = compiled(tmp_path, schedule)
    program = design.at("affine")
    expected = set(MEMORY.control_ports())
    for buffer in (*program.inputs, *program.outputs):
        expected |= set(MEMORY.tensor_ports(buffer))
    assert len(expected) == 4 + 3 * 6
    assert any(buffer.banks > 1 for buffer in (*program.inputs, *program.outputs))
    assert ports_of(design.verilog(), "mixed") == expected


@pytest.mark.slow
def test_a_kernel_has_the_ports_of_its_banks(tmp_path: Path) -> None:
    design = compiled(tmp_path, "static").at("calyx")
    seen = 0
    for circuit in design.circuits:
        inputs, outputs = dict(circuit.component.inputs), dict(circuit.component.outputs)
        for buffer, bank in circuit.ports.banks():
            names, bits = bank_ports(buffer, bank), address_bits(buffer.bank_elements)
            if (buffer, bank) in circuit.ports.reads:
                assert outputs[names.address] == bits
                assert inputs[names.data] == buffer.width_bits
            if (buffer, bank) in circuit.ports.writes:
                written = outputs[names.write_address], outputs[names.write_data], outputs[names.write_enable]
                assert written == (bits, buffer.width_bits, 1)
            assert f"@{names.memory} of" in design.text()
            seen += 1
    assert seen > len(design.circuits)


class Other(MemoryInterface):
    """Another protocol: other names, and other entries."""

    name = "other"

    def control_entries(self) -> dict[str, Any]:
        return {"clock": "ap_clk", "interface": self.name}

    def tensor_entries(self, buffer: Buffer) -> dict[str, Any]:
        return {"stream": {"prefix": f"s_axis_{buffer.name}"}}


@pytest.mark.slow
def test_the_manifest_is_written_from_the_interface(tmp_path: Path) -> None:
    design = compiled(tmp_path, "static").at("calyx")
    told = manifest(design, "test", [], [], Other())
    assert (told["clock"], told["interface"]) == ("ap_clk", "other")
    assert [entry["stream"]["prefix"] for entry in told["inputs"]] == ["s_axis_x", "s_axis_scale", "s_axis_which"]
    text = json.dumps(told)
    assert not [word for word in ("_addr", "_we", "_re", "_port", "offset_bits", '"clk"', '"go"') if word in text]
    assert Manifest.from_json(manifest(design, "test", [], [])).clock == CONTROL.clock.name


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), max_size=4), st.booleans())
def test_addresses_fit_their_port(dimensions: list[tuple[int, int]], is_input: bool) -> None:
    """The rule of the contract, as the simulator reads it in the manifest: no two elements have one address."""
    shape, factors = tuple(size for size, _ in dimensions), tuple(factor for _, factor in dimensions)
    buffer = Buffer("x", shape, "i16", INPUT if is_input else OUTPUT, factors=factors)
    ports = MEMORY.addressed(buffer)
    entry = {"name": "x", "shape": shape, "dtype": "i16", "width": 16, **MEMORY.tensor_entries(buffer)}
    told = {"manifest": 1, "top": "p", "files": [], **MEMORY.control_entries(), "inputs": [entry], "outputs": []}
    (port,) = Manifest.from_json(told).inputs
    addresses = port.addresses()
    assert port.address_bits == ports.address.width_bits
    assert len(np.unique(addresses)) == buffer.elements
    assert int(addresses.max()) < 1 << ports.address.width_bits
    assert (ports.data.width_bits, ports.data.is_input) == (16, is_input)
    assert (port.enable_port, port.data_port) == ("x_we" if is_input else "x_re", "x_data")


def test_only_what_the_host_writes_or_reads_has_ports() -> None:
    with pytest.raises(AssertionError, match="x: the host neither writes nor reads it"):
        MEMORY.addressed(Buffer("x", (4,), "f32", RAM))


def test_a_state_has_ports_both_ways() -> None:
    state = Buffer("w", (4, 3), "f32", STATE, np.zeros((4, 3), np.uint32), factors=(2, 1))
    names = ["w_addr", "w_data", "w_we", "w_raddr", "w_rdata", "w_re"]
    assert [port.name for port in MEMORY.tensor_ports(state)] == names
    assert [port.is_input for port in MEMORY.tensor_ports(state)] == [True, True, True, True, False, True]
    assert [port.width_bits for port in MEMORY.tensor_ports(state)] == [4, 32, 1, 4, 32, 1]


def test_no_tensor_is_called_like_a_port_or_a_bank() -> None:
    names = UniqueNames()
    for port in MEMORY.control_ports():
        assert names.take(port.name) != port.name
    banked = Buffer("x", (4,), "f32", INPUT, factors=(2,))
    stems = [bank_ports(banked, bank).stem for bank in range(2)]
    assert stems == ["x_b0", "x_b1"]
    assert all(is_like_a_bank(stem) and names.take(stem) != stem for stem in stems)
    assert bank_ports(Buffer("x", (4,), "f32", INPUT), 0).stem == "x"


OWNERS = {"dialects/interface.py", "dialects/bank_ports.py", "sim/icarus.py"}  # icarus: wires of its own bench
SUFFIX = re.compile(r"\}_(addr|data|we|re|waddr|wdata|memory)\b")


def test_nothing_else_spells_a_port() -> None:
    found = []
    for folder in ("dialects", "lowering", "passes", "sim", "frontend", "fpga", "torch2hw"):
        for file in (ROOT / folder).glob("*.py"):
            place = f"{folder}/{file.name}"
            if place not in OWNERS and SUFFIX.search(file.read_text()):
                found.append(place)
    assert not found
