"""HardFloat as a source of units. What needs a copy runs where TORCH2HW_HARDFLOAT names its directory."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.skips import NO_HARDFLOAT
from torch2hw.cli import main
from torch2hw.compiler.options import Options
from torch2hw.hwlib.bits import Graph, evaluate
from torch2hw.hwlib.hardfloat import BORROWED, COUNTER, FILES, HardFloatLibrary, read
from torch2hw.hwlib.netlist import graph_of
from torch2hw.hwlib.verify import check
from torch2hw.tools.errors import UsageError
from torch2hw.tools.yosys import run_scripts

COPY = os.environ.get("TORCH2HW_HARDFLOAT")
needs_copy = pytest.mark.skipif(COPY is None, reason=NO_HARDFLOAT)
F32 = ("f32", "f32", "f32")

VERILOG = """
module unit (input signed [7:0] left, input [7:0] right, output [63:0] out);
wire signed [7:0] other = right;
wire [15:0] mask = $signed(17'h10000) >>> right[3:0];
assign out = {mask, left + other, left * other, left >>> right[2:0], left << right[3:0], ^left, left < other,
              left[3:0] >= right[3:0], !right && (left != 0), &right, |left, -left == right, ~left[0]};
endmodule
"""


def test_a_netlist_is_what_yosys_read(tmp_path: Path) -> None:
    script = "read_verilog unit.v\nhierarchy -top unit\nproc\nopt\nwrite_json unit.json\n"
    (folder,) = run_scripts({"unit.v": VERILOG}, [script], tmp_path)
    module = json.loads((folder / "unit.json").read_text())["modules"]["unit"]
    graph = Graph()
    inputs = {name: graph.input(name, 8) for name in ("left", "right")}
    output = graph_of(module, graph, inputs, "out")
    source = random.Random(3)
    for _ in range(300):
        left, right = source.getrandbits(8), source.getrandbits(8)
        a, b = (v - (v >> 7 << 8) for v in (left, right))
        mask = (-0x10000 >> (right & 15)) & 0xFFFF
        parts = [(mask, 16), (a + b, 8), (a * b, 8), (a >> (right & 7), 8), (left << (right & 15), 8)]
        parts += [(v, 1) for v in (left.bit_count() % 2, a < b, left % 16 >= right % 16, not right and left != 0)]
        parts += [(v, 1) for v in (right == 255, left != 0, -left % 256 == right, ~left & 1)]
        expected = 0
        for value, width in parts:
            expected = expected << width | int(value) & (1 << width) - 1
        assert evaluate(output, {"left": left, "right": right}) == expected & (1 << 64) - 1


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for name in FILES[:-1]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError) as caught:
        read(f"hardfloat:{tmp_path}")
    assert str(caught.value).startswith(
        f"error[usage]: --float-lib hardfloat:{tmp_path}: {tmp_path} has no {FILES[-1]}\n"
    )
    assert "1 of the 14 files" in str(caught.value)
    (tmp_path / FILES[-1]).write_text("")
    assert len(read(f"hardfloat:{tmp_path}").files) == len(FILES)
    with pytest.raises(UsageError, match="there is no directory"):
        read(f"hardfloat:{tmp_path}/no")
    with pytest.raises(UsageError, match="--float-lib softfloat:x: unknown"):
        read("softfloat:x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("module addRecFN (;\n", "addRecFN.v:1: syntax error"),
        ("// nothing\n", "Module addRecFN referenced in module unit"),
    ],
)
def test_a_copy_that_cannot_be_read_is_named(tmp_path: Path, text: str, said: str) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text if name == "addRecFN.v" else "")
    library = HardFloatLibrary(subnormals="keep", copy=read(f"hardfloat:{tmp_path}"))
    with pytest.raises(UsageError) as caught:
        library.unit("arith.addf", F32[:2], "f32", None)
    assert caught.value.what.startswith(f"--float-lib hardfloat:{tmp_path}: the copy cannot be read: {said}")


def test_the_counter_of_basejump_stl_counts(tmp_path: Path) -> None:
    unit = f"module unit (input [11:0] in, output [3:0] out);\n{COUNTER} #(.width_p(12)) c (in, out);\nendmodule\n"
    script = "read_verilog -sv borrowed.v unit.v\nhierarchy -top unit\nproc\nflatten\nopt -full\nopt_clean -purge\n"
    (folder,) = run_scripts({"borrowed.v": BORROWED, "unit.v": unit}, [f"{script}write_json unit.json\n"], tmp_path)
    graph = Graph()
    module = json.loads((folder / "unit.json").read_text())["modules"]["unit"]
    output = graph_of(module, graph, {"in": graph.input("in", 12)}, "out")
    for value in (0, *(1 << bit for bit in range(12)), 0xFFF, 0x155):
        assert evaluate(output, {"in": value}) == 12 - value.bit_length()


def test_flushing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="not with --subnormals flush"):
        Options(float_lib="hardfloat:here")
    assert main(["model.py", "--float-lib", "hardfloat:no/where", "--subnormals", "keep", "-o", "x.sv"]) == 2
    assert "there is no directory no/where" in capsys.readouterr().err


@needs_copy
@pytest.mark.parametrize(
    ("operation", "types", "predicate"),
    [
        ("arith.addf", F32, ""), ("arith.subf", F32, ""), ("arith.mulf", F32, ""),
        ("arith.cmpf", ("f32", "f32", "i1"), "ule"), ("arith.cmpf", ("f32", "f32", "i1"), "one"),
        ("arith.sitofp", ("i32", "f32"), ""), ("arith.uitofp", ("i64", "f32"), ""),
        ("arith.fptosi", ("f32", "i32"), ""), ("arith.fptoui", ("f32", "i8"), ""), ("arith.mulf", ("f16",) * 3, ""),
    ],
)  # fmt: skip
def test_a_copy_has_the_bits(tmp_path: Path, operation: str, types: tuple[str, ...], predicate: str) -> None:
    library = HardFloatLibrary(subnormals="keep", copy=read(f"hardfloat:{COPY}"))
    unit = library.unit(operation, types[:-1], types[-1], predicate or None)
    outcome = check(unit, operation, False, 400_000, tmp_path, predicate)
    assert outcome.passed, outcome.text


@needs_copy
@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("schedule", ["static", "sequential"])
def test_a_design_of_a_copy_is_bit_exact(tmp_path: Path, schedule: str) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\nmodel = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))\n"
        "example_inputs = torch.randn(2, 6)\n"
    )
    options = ["--float-lib", f"hardfloat:{COPY}", "--subnormals", "keep", "--schedule", schedule, "-q"]
    assert main(["simulate", str(tmp_path / "net.py"), *options]) == 0
