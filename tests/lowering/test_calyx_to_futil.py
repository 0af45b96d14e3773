"""The text for the native Calyx compiler: what it states and what it avoids; and that the compiler takes it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.lowering.control_cases import programs
from tests.skips import NO_CALYX
from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.compiler.compiled import Compiled, compile_model
from torch2hw.compiler.native_calyx import native_texts
from torch2hw.compiler.options import Options
from torch2hw.dialects.calyx_primitives import forward
from torch2hw.frontend.load_model import load
from torch2hw.lowering.hardware import calyx_to_futil
from torch2hw.sim.native_calyx import native_cycles
from torch2hw.tools import native_calyx
from torch2hw.tools.errors import CheckError, InternalError

SMALL = Path(__file__).parents[2] / "benchmarks" / "models" / "small.py"
CNN = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
"""
with_calyx = pytest.mark.skipif(shutil.which("calyx") is None, reason=NO_CALYX)
LOGIC = """module attributes {calyx.entrypoint = "turn"} {
  calyx.component @turn(%x: i8, %go: i1 {go}, %clk: i1 {clk}, %reset: i1 {reset}) -> (%y: i8, %done: i1 {done}) {
    %three = hw.constant 3 : i8
    %true = hw.constant true
    %or.in, %or.write_en, %or.clk, %or.reset, %or.out, %or.done = calyx.register @or : i8, i1, i1, i1, i8, i1
    %refer.in, %refer.out = calyx.std_wire @refer : i8, i8
    calyx.wires {
      %high = comb.extract %x from 4 : (i8) -> i4
      %low = comb.extract %x from 0 : (i8) -> i4
      %turned = comb.concat %low, %high : i4, i4
      %large = comb.icmp ugt %turned, %three : i8
      %small = comb.xor %large, %true : i1
      calyx.assign %refer.in = %x : i8
      calyx.assign %y = %or.out : i8
      calyx.static_group latency<3> @table {
        %late = calyx.cycle 2
        %then = comb.and %late, %small : i1
        %other = comb.and %late, %large : i1
        calyx.assign %or.in = %then ? %refer.out : i8
        calyx.assign %or.in = %other ? %three : i8
        calyx.assign %or.write_en = %late ? %true : i1
      }
    }
    calyx.control { calyx.seq { calyx.enable @table } }
  } {toplevel}
}
"""


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Maximum reductions, products, and cells that are called `and` and `or`."""
    file = tmp_path_factory.mktemp("model") / "small.py"  # its name orders the cells, and wrong numbers depend on that
    file.write_text(CNN)
    return compile_model(load(str(file), None, ["f32[1,3,8,8]"]), Options(partition=2), stop_at="calyx")


def cycles(compiled: Compiled, change: Callable[[dict[str, str]], dict[str, str]] | None = None) -> set[int]:
    return set(native_cycles(compiled, [[from_torch(x) for x in compiled.loaded.example_inputs]] * 2, change))


def test_values_names_and_guards() -> None:
    text = calyx_to_futil.lower(LOGIC, {}, "x.units.sv").futil
    for line in (
        'component turn<"toplevel"=1>(x: 8, @go go: 1, @clk clk: 1, @reset reset: 1) -> (y: 8, @done done: 1) {',
        "or_1 = std_reg(8);",
        "c_refer = forward_8();",
        "bits = std_slice(8, 4);",
        "moved.right = 8'd4;",
        "bits_1.in = moved.out;",
        "joined = std_cat(4, 4, 8);",
        "gt = std_gt(8);",
        "static<3> group table_1 {",
        "or_1.in = (%2 & !gt.out) ? c_refer.out;",
        "or_1.write_en = %2 ? 1'd1;",
        "comb primitive forward_8(in: 8) -> (out: 8);",
    ):
        assert f"{line}\n" in text, line


def test_what_the_text_promises(cnn: Compiled) -> None:
    text = native_texts(cnn, "cnn.futil").futil
    assert text.count("extern") == 1
    assert "std_wire" not in text  # which carries data: undriven it may be anything, and three readers lose it
    for declared in re.findall(r"primitive .*", text):
        assert ("@clk" in declared) == ("@stable out" in declared), declared
    assert "  and_1 = std_and(1);" in text


@with_calyx
@pytest.mark.parametrize("name", [name for name in programs() if "empty" not in name])  # of them it asks for a done
def test_the_compiler_takes_every_control_construct(name: str, tmp_path: Path) -> None:
    native = calyx_to_futil.lower(programs()[name], {forward(1).name: forward(1).definition}, "units.sv")
    (tmp_path / "units.sv").write_text("")
    (tmp_path / "x.futil").write_text(native.futil)
    assert f"module {name}(" in native_calyx.verilog(tmp_path / "x.futil")


@with_calyx
@pytest.mark.slow
@pytest.mark.simulation
def test_the_same_bits_and_cycles(cnn: Compiled) -> None:
    assert cycles(cnn) == {cnn.at("calyx").latency_cycles}


MODEL = """\
import torch
from torch import nn

class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x):
        self.total = 0.5 * self.total + x
        return self.total * 2

model, example_inputs = Running(), torch.randn(3)
"""


@with_calyx
@pytest.mark.slow
@pytest.mark.simulation
def test_states_are_kept(tmp_path: Path) -> None:
    (tmp_path / "running.py").write_text(MODEL)
    compiled = compile_model(load(str(tmp_path / "running.py")), Options(keep_state=True))
    runs = [[from_torch(torch.randn(3))] for _ in range(3)]
    assert set(native_cycles(compiled, runs)) == {compiled.at("calyx").latency_cycles}


@with_calyx
@pytest.mark.slow
@pytest.mark.simulation
def test_the_sequential_schedule_has_its_own_cycles() -> None:
    options = Options(schedule="sequential", partition=2)
    compiled = compile_model(load(str(SMALL), "Ffnn", ["f32[3,7]"]), options, stop_at="calyx")
    assert len(cycles(compiled)) == 1


def several_blocks(text: str) -> str:
    return re.sub(r"(  (?:comb )?primitive .*;\n)(?=  )", r'\1}\nextern "Cnn.units.sv" {\n', text)


@with_calyx
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (several_blocks, "panicked"),
        (lambda text: re.sub(r"\band_1\b", "and", text), "reserved"),
        (lambda text: text.replace("@stable ", ""), "combinational cycle"),
    ],
)
def test_what_the_compiler_refuses_is_avoided(
    cnn: Compiled, tmp_path: Path, change: Callable[[str], str], refusal: str
) -> None:
    for name, text in native_texts(cnn, "Cnn.futil").files.items():
        (tmp_path / name).write_text(change(text) if name == "Cnn.futil" else text)
    with pytest.raises(InternalError, match=refusal):
        native_calyx.verilog(tmp_path / "Cnn.futil")


@with_calyx
@pytest.mark.slow
@pytest.mark.simulation
def test_wires_that_carry_data_compute_other_numbers(cnn: Compiled) -> None:
    def change(files: dict[str, str]) -> dict[str, str]:
        return {name: re.sub(r"= forward_(\d+)\(\)", r"= std_wire(\1)", text) for name, text in files.items()}

    with pytest.raises(CheckError):
        cycles(cnn, change)
