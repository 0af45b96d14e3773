"""`.mlir` files as models: which function, its ports and example values, what it computes, and every refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.cli import main
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.frontend.load_model import load
from torch2hw.frontend.torch_to_linalg import import_torch
from torch2hw.sim import execution, pytorch

LOOKUP = """#row = affine_map<(d0, d1) -> (d0)>
#both = affine_map<(d0, d1) -> (d0, d1)>
func.func @double(%t: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = linalg.add ins(%t, %t : tensor<?x3xf32>, tensor<?x3xf32>) outs(%t : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
func.func @lookup(%rows: tensor<?xi64>) -> (tensor<?x3xf32>, tensor<?xi64>) {
  %table = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [-7.0, 8.0, 0.5], [0.1, 0.2, 0.3]]> : tensor<4x3xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %rows, %c0 : tensor<?xi64>
  %e = tensor.empty(%n) : tensor<?x3xf32>
  %0 = linalg.generic {indexing_maps = [#row, #both], iterator_types = ["parallel", "parallel"]}
      ins(%rows : tensor<?xi64>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%r: i64, %o: f32):
    %i = arith.index_cast %r : i64 to index
    %j = linalg.index 1 : index
    %x = tensor.extract %table[%i, %j] : tensor<4x3xf32>
    linalg.yield %x : f32
  } -> tensor<?x3xf32>
  %1 = func.call @double(%0) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %1, %rows : tensor<?x3xf32>, tensor<?xi64>
}
"""


@pytest.fixture
def lookup(tmp_path: Path) -> str:
    (tmp_path / "lookup.mlir").write_text(LOOKUP)
    return str(tmp_path / "lookup.mlir")


def test_ports_values_and_what_is_computed(lookup: str) -> None:
    loaded = load(lookup, inputs=["i64[5]"])
    (rows,) = loaded.example_inputs
    assert rows.dtype == torch.int64 and rows.shape == (5,) and set(rows.tolist()) <= set(range(4)) and rows.max() > 1
    assert loaded.oracle_name == "mlir-cpu"
    program = import_torch(loaded)
    assert [(each.name, each.shape, each.dtype) for each in program.inputs] == [("arg0", (5,), "i64")]
    assert [(each.name, each.shape, each.dtype) for each in program.outputs] == [
        ("out0", (5, 3), "f32"),
        ("out1", (5,), "i64"),
    ]
    got = pytorch.run(loaded.model, [rows])
    assert got[0][0].tolist() == {0: [2, 4, 6], 1: [8, 10, 12], 2: [-14, 16, 1]}.get(int(rows[0]), got[0][0].tolist())
    compiled = compile_model(loaded, Options(), stop_at="affine")
    stored = execution.outputs_of(compiled.result, "affine", loaded.model, [[from_torch(rows)]], "flush")[0]
    for ours, theirs in zip(stored, got, strict=True):
        assert ours.tobytes() == from_torch(theirs).tobytes()


def test_lines_are_the_files(lookup: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([lookup, "--input", "i64[5]", "--emit", "scheduled"]) == 0
    assert 'loc("lookup.mlir":12:' in capsys.readouterr().out


def test_top_function(tmp_path: Path, lookup: str) -> None:
    assert import_torch(load(lookup, inputs=["f32[2,3]"], function="double")).inputs[0].shape == (2, 3)
    text = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }\n"
    (tmp_path / "two.mlir").write_text(LOOKUP + text)
    assert import_torch(load(str(tmp_path / "two.mlir"))).inputs[0].shape == (2,)


@pytest.mark.slow
@pytest.mark.simulation
def test_simulate(lookup: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", lookup, "--input", "arg0=i64[4]", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["oracle"] == "mlir-cpu" and result["bit_exact"] and result["max_abs_err"] == 0
    assert "torch_float64" not in result and result["top"] == "lookup"


OPEN = "func.func @main(%x: tensor<?xf32>, %s: index) -> tensor<?xf32> {\n  return %x : tensor<?xf32>\n}\n"
REFUSED = {
    "syntax": (
        "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n  %0 = foo.bar\n}\n",
        [],
        "{file}:2: error[model-file]: MLIR refuses the file\n  why: Dialect `foo' not found for custom op 'foo.bar'\n",
    ),
    "verifier": (
        "func.func @f(%x: tensor<2xf32>) -> tensor<3xf32> {\n  return %x : tensor<2xf32>\n}\n",
        [],
        "{file}:2: error[model-file]: MLIR refuses the file\n  why: type of return operand 0",
    ),
    "other": (
        OPEN,
        ["--top-function", "g"],
        "error[no-top-function]: there is no function g\n  fix: --top-function main",
    ),
    "type": (OPEN, [], "{file}:1: error[unsupported-dtype]: argument 1 of the top function is a index\n"),
    "open": (
        OPEN.replace(", %s: index", ""),
        [],
        "error[dynamic-shape]: input arg0 has no size in dimension 0\n"
        "  why: shapes are static: the hardware is made for one size of each dimension\n"
        "  fix: choose it, as in --input arg0=f32[1]\n",
    ),
    "contradiction": (
        OPEN.replace(", %s: index", ""),
        ["--input", "f32[1,2]"],
        "error[usage]: --input f32[1,2]: contradicts",
    ),
    "format": (
        OPEN.replace(", %s: index", ""),
        ["--input", "f32[4]", "--dtype", "bf16"],
        "error[usage]: --dtype bf16: ",
    ),
    "double": (
        "func.func @f(%x: tensor<2xf64>) -> tensor<2xf64> {\n  return %x : tensor<2xf64>\n}\n",
        [],
        "{file}:1: error[unsupported-dtype]: argument 0 of the top function has elements of type f64\n",
    ),
    "call": (
        "func.func private @g(tensor<2xf32>) -> tensor<2xf32>\n"
        "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
        "  %0 = call @g(%x) : (tensor<2xf32>) -> tensor<2xf32>\n  return %0 : tensor<2xf32>\n}\n",
        [],
        "{file}:3: error[unsupported-operation]: the call of g cannot be inlined\n",
    ),
    "branch": (
        "func.func @f(%x: tensor<2xf32>, %c: tensor<i1>) -> tensor<2xf32> {\n"
        "  %b = tensor.extract %c[] : tensor<i1>\n  cf.cond_br %b, ^a, ^e\n^a:\n  return %x : tensor<2xf32>\n"
        "^e:\n  %0 = arith.addf %x, %x : tensor<2xf32>\n  return %0 : tensor<2xf32>\n}\n",
        [],
        "{file}:3: error[data-dependent]: a branch to another block\n",
    ),
    "while": (
        "func.func @f(%x: memref<4xf32>, %y: memref<4xf32>) {\n  %0 = arith.constant 0 : index\n"
        "  %1 = arith.constant 1 : index\n  %r = scf.while (%i = %0) : (index) -> (index) {\n"
        "    %v = memref.load %x[%i] : memref<4xf32>\n    memref.store %v, %y[%i] : memref<4xf32>\n"
        "    %c = arith.cmpf une, %v, %v : f32\n    scf.condition(%c) %i : index\n  } do {\n  ^bb0(%i: index):\n"
        "    %n = arith.addi %i, %1 : index\n    scf.yield %n : index\n  }\n  return\n}\n",
        [],
        "{file}:4: error[data-dependent]: a loop that runs as long as a condition holds\n",
    ),
    "nothing": (
        "func.func @f(%x: tensor<2xf32>) {\n  return\n}\n",
        [],
        "{file}:1: error[not-exportable]: the top function returns nothing, and writes to no argument\n",
    ),
    "dialect of tensors": (
        "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n  %0 = tosa.tanh %x : (tensor<2xf32>) -> tensor<2xf32>\n"
        "  return %0 : tensor<2xf32>\n}\n",
        [],
        "{file}:2: error[unsupported-operation]: tosa.tanh is unsupported\n",
    ),
    "operation": (
        "func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> {\n"
        "  %0 = bufferization.alloc_tensor() copy(%x) : tensor<8xf32>\n"
        '  %1 = "linalg.softmax"(%x, %0) <{dimension = 0 : i64}> : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>\n'
        "  return %1 : tensor<8xf32>\n}\n",
        [],
        "{file}:2: error[unsupported-operation]: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, arguments, message = REFUSED[name]
    file = tmp_path / "net.mlir"
    file.write_text(text)
    assert main([str(file), *arguments, "-o", str(tmp_path / "net.sv")]) in (1, 2)
    said = capsys.readouterr().err
    assert message.replace("{file}", str(file)) in said and "Traceback" not in said
    assert not (tmp_path / "net.sv").exists()


def test_top_function_of_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text("")
    assert main([str(tmp_path / "net.py"), "--top-function", "f", "-o", "x.sv"]) == 2
    assert "is no .mlir file\n  fix: leave --top-function out" in capsys.readouterr().err
