"""The SystemVerilog that is written: places, names, the same text each time, and the time it takes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.lowering.control_cases import programs
from torch2hw.lowering.hardware import calyx_to_hw, hw_to_sv
from torch2hw.tools import verilator_tool

ADDER = """
hw.module @adder(in %a: i8, in %b: i8, in %clk: !seq.clock, out out: i8) {
  %sum = comb.add %a, %b : i8 loc("model.py":12:0)
  %kept = seq.compreg %sum, %clk : i8 loc("model.py":13:0)
  hw.output %kept : i8 loc(unknown)
} loc(unknown)

hw.module @again(in %a: i8, in %clk: !seq.clock, out out: i8) {
  %kept = seq.compreg %a, %clk : i8
  hw.output %kept : i8
}
"""


def test_only_the_users_places_are_named() -> None:
    text = hw_to_sv.export(ADDER)
    adder, _, again = text.partition("\nmodule again")
    assert "// -" not in again and "model.py" not in again, again
    assert adder.endswith(
        "module adder(\n  input  [7:0] a,\n               b,\n  input        clk,\n  output [7:0] out\n);\n\n"
        "  reg [7:0] kept;\t// model.py:13\n  always_ff @(posedge clk)\t// model.py:13\n"
        "    kept <= a + b;\t// model.py:12, :13\n  assign out = kept;\t// model.py:13\nendmodule\n"
    ), text


def test_the_same_text_each_time() -> None:
    source = programs()["dyn_mixed"]
    first = calyx_to_hw.lower(source, {})
    assert calyx_to_hw.lower(source, {}) == first
    assert hw_to_sv.export(first) == hw_to_sv.export(first)


@pytest.mark.parametrize("name", ["pipeline", "dyn_while_if", "call_again", "invoke"])
def test_verilator_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "out.sv").write_text(hw_to_sv.export(calyx_to_hw.lower(programs()[name], {})))
    command = [*verilator_tool.command(), "--lint-only", "-Wall", "--top-module", name, "out.sv"]
    linted = subprocess.run(command, cwd=tmp_path, env=verilator_tool.environment(), capture_output=True, text=True)
    assert linted.returncode == 0, linted.stderr


def test_ten_thousand_operations_take_about_a_second() -> None:
    count = 5000
    cells, wires = [], []
    for number in range(count):
        names = ", ".join(f"%a{number}.{port}" for port in ("left", "right", "out"))
        cells.append(f"{names} = calyx.std_add @a{number} : i32, i32, i32")
        before = "%x" if number == 0 else f"%a{number - 1}.out"
        wires += [f"calyx.assign %a{number}.left = {before} : i32", f"calyx.assign %a{number}.right = %x : i32"]
    text = (
        'module attributes {calyx.entrypoint = "main"} {\ncalyx.component @main(%x: i32, %go: i1 {go}, %clk: i1 {clk}, '
        "%reset: i1 {reset}) -> (%y: i32, %done: i1 {done}) {\n"
        + "\n".join(cells)
        + "\ncalyx.wires {\n"
        + "\n".join(wires)
        + f"\ncalyx.assign %y = %a{count - 1}.out : i32\n}}\ncalyx.control {{ }}\n}} {{toplevel}}\n}}\n"
    )
    started = time.process_time()
    calyx_to_hw.lower(text, {})
    assert time.process_time() - started < 5  # about one; the machine may be busy
