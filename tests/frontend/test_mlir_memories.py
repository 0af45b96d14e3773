"""`.mlir` files of functions over memories, as Allo writes them: ports, what they compute, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from torch2hw.analysis.stored_arrays import from_torch
from torch2hw.cli import main
from torch2hw.compiler.compiled import compile_model
from torch2hw.compiler.options import Options
from torch2hw.dialects.program import Program
from torch2hw.frontend.load_model import load
from torch2hw.frontend.torch_to_linalg import import_torch
from torch2hw.sim import execution

GEMM = """memref.global "private" constant @bias : memref<6xf32> = dense<[0.5, -1.0, 2.0, 0.25, 3.0, -0.125]>
func.func @gemm(%arg0: memref<4x5xf32>, %arg1: memref<5x6xf32>) -> memref<4x6xf32> attributes {itypes = "__", top} {
  %alloc = memref.alloc() {name = "C"} : memref<4x6xf32>
  %cst = arith.constant 0.000000e+00 : f32
  linalg.fill {op_name = "C_init"} ins(%cst : f32) outs(%alloc : memref<4x6xf32>)
  %0 = memref.get_global @bias : memref<6xf32>
  affine.for %arg2 = 0 to 4 {
    affine.for %arg3 = 0 to 6 {
      %acc = memref.alloc() {name = "v"} : memref<f32>
      affine.store %cst, %acc[] {to = "v"} : memref<f32>
      affine.for %arg4 = 0 to 5 {
        %1 = affine.load %arg0[%arg2, %arg4] {from = "A"} : memref<4x5xf32>
        %2 = affine.load %arg1[%arg4, %arg3] {from = "B"} : memref<5x6xf32>
        %3 = arith.mulf %1, %2 : f32
        %4 = affine.load %acc[] {from = "v"} : memref<f32>
        %5 = arith.addf %4, %3 : f32
        affine.store %5, %acc[] {to = "v"} : memref<f32>
      } {loop_name = "k", op_name = "S_k", reduction}
      %6 = affine.load %acc[] {from = "v"} : memref<f32>
      %7 = affine.load %0[%arg3] : memref<6xf32>
      %8 = arith.mulf %6, %7 : f32
      affine.store %8, %alloc[%arg2, %arg3] {to = "C"} : memref<4x6xf32>
    } {loop_name = "j"}
  } {loop_name = "i", op_name = "S_i_j_0"}
  return %alloc : memref<4x6xf32>
}
"""

PRODUCTS = """func.func @twice(%x: memref<7xi32>, %y: memref<7xi32>) {
  affine.for %i = 0 to 7 {
    %0 = affine.load %x[%i] : memref<7xi32>
    %1 = arith.extsi %0 : i32 to i33
    %2 = arith.addi %1, %1 : i33
    %3 = arith.trunci %2 : i33 to i32
    affine.store %3, %y[%i] : memref<7xi32>
  }
  return
}
func.func @top(%A: memref<3x7xi32>, %x: memref<7xi32>, %y: memref<3xi32>, %f: memref<3xi1>) {
  %c0 = arith.constant 0 : i32
  %t = memref.alloc() : memref<7xi32>
  func.call @twice(%x, %t) : (memref<7xi32>, memref<7xi32>) -> ()
  %s = memref.alloc() : memref<3xi32>
  linalg.fill ins(%c0 : i32) outs(%s : memref<3xi32>)
  affine.for %i = 0 to 3 {
    affine.for %j = 0 to 7 {
      %a = affine.load %A[%i, %j] : memref<3x7xi32>
      %b = affine.load %t[%j] : memref<7xi32>
      %a64 = arith.extsi %a : i32 to i64
      %b64 = arith.extsi %b : i32 to i64
      %p = arith.muli %a64, %b64 : i64
      %c = affine.load %s[%i] : memref<3xi32>
      %c65 = arith.extsi %c : i32 to i65
      %p65 = arith.extsi %p : i64 to i65
      %q = arith.addi %c65, %p65 : i65
      %r = arith.trunci %q : i65 to i32
      affine.store %r, %s[%i] : memref<3xi32>
    }
    %a0 = affine.load %A[%i, 0] : memref<3x7xi32>
    %x0 = affine.load %x[%i] : memref<7xi32>
    %wa = arith.extsi %a0 : i32 to i65
    %wx = arith.extsi %x0 : i32 to i65
    %wp = arith.muli %wa, %wx : i65
    %g = arith.cmpi slt, %wp, %wa : i65
    affine.store %g, %f[%i] : memref<3xi1>
  }
  memref.copy %s, %y : memref<3xi32> to memref<3xi32>
  return
}
"""


def compared(file: Path, text: str, low: int = -50, high: int = 50, after: str | None = None) -> Program:
    """The affine program of `text`, after its values are compared with MLIR's own, bit for bit."""
    file.write_text(text)
    loaded = load(str(file))
    generator = torch.Generator().manual_seed(1)
    values = [
        each if each.dtype.is_floating_point or each.dtype == torch.int64
        else torch.randint(low, high, each.shape, generator=generator).to(each.dtype)
        for each in loaded.example_inputs
    ]  # fmt: skip
    found = loaded.model(*values)
    wanted = found if isinstance(found, tuple) else (found,)
    program: Program = compile_model(loaded, Options(), stop_at="affine", stop_after=after).result
    got = execution.outputs_of(program, "affine", loaded.model, [[from_torch(each) for each in values]], "flush")[0]
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.tobytes() == from_torch(theirs).tobytes()
    return program


def test_accumulation_in_a_cell_is_one_kernel(tmp_path: Path) -> None:
    program = compared(tmp_path / "gemm.mlir", GEMM)
    assert len(program.kernels) == 1
    assert program.kernels[0].trip_count == 4 * 6 * 5 and program.kernels[0].macs == 4 * 6 * 5


def test_calls_and_sums_of_33_and_65_bits(tmp_path: Path) -> None:
    program = compared(tmp_path / "products.mlir", PRODUCTS, -(2**31), 2**31)
    kinds = {s.type for kernel in program.kernels for s in kernel.statements()}
    assert kinds == {"i32", "i64", "i1"}, "sums that are truncated are computed in as many bits; products in 64"
    infos = import_torch(load(str(tmp_path / "products.mlir")))
    assert [each.name for each in infos.inputs] == ["arg0", "arg1"]
    assert [(each.name, each.shape, each.dtype) for each in infos.outputs] == [
        ("out0", (3,), "i32"),
        ("out1", (3,), "i1"),
    ]


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("text", [GEMM, PRODUCTS], ids=["gemm", "products"])
def test_simulate(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.mlir").write_text(text)
    assert main(["simulate", str(tmp_path / "net.mlir"), "--partition", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["oracle"] == "mlir-cpu" and result["bit_exact"] and result["pcc"] > 0.9999


def test_lines_and_ports_in_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gemm.mlir").write_text(GEMM)
    assert main([str(tmp_path / "gemm.mlir"), "--input", "f32[4,5]", "--emit", "scheduled"]) == 0
    text = capsys.readouterr().out
    assert 'loc("gemm.mlir":14:' in text and "%arg0: memref<4x5xf32>" in text


BEGIN = "func.func @main(%x: memref<4xi64>) -> memref<4xi64> {\n  %A = memref.alloc() : memref<4xi64>\n"
END = "  return %A : memref<4xi64>\n}\n"
LOOP = "  affine.for %i = 0 to 4 {\n    %a = affine.load %x[%i] : memref<4xi64>\n"
REFUSED = {
    "written at a computed index": (
        BEGIN + LOOP + "    %k = arith.index_cast %a : i64 to index\n"
        "    memref.store %a, %A[%k] : memref<4xi64>\n  }\n" + END,
        ":6: error[unsupported-operation]: a write at an index computed from values\n",
    ),
    "too wide": (
        BEGIN + LOOP + "    %b = arith.extsi %a : i64 to i128\n    %c = arith.muli %b, %b : i128\n"
        "    %d = arith.shrsi %c, %b : i128\n    %e = arith.trunci %d : i128 to i64\n"
        "    affine.store %e, %A[%i] : memref<4xi64>\n  }\n" + END,
        ":7: error[unsupported-dtype]: all bits of a value of type i128 count, and it may need more than 64\n",
    ),
    "rounds": (
        BEGIN + LOOP + "    %n = arith.index_cast %a : i64 to index\n    %z = arith.constant 0 : index\n"
        "    %o = arith.constant 1 : index\n    scf.for %j = %z to %n step %o {\n"
        "      affine.store %a, %A[%i] : memref<4xi64>\n    }\n  }\n" + END,
        ":8: error[data-dependent]: the number of rounds of a loop depends on values\n",
    ),
    "open": (
        BEGIN.replace("%x: memref<4x", "%x: memref<?x") + END,
        ":1: error[dynamic-shape]: argument 0 of the top function has a size that is open: memref<?xi64>\n",
    ),
    "global": (
        "memref.global @w : memref<4xi64> = dense<2>\nfunc.func @main() -> memref<4xi64> {\n"
        "  %A = memref.get_global @w : memref<4xi64>\n" + END,
        ":3: error[unsupported-operation]: the memory w keeps its contents from run to run, or has none\n",
    ),
    "dialect": (
        BEGIN + '  vector.print str "hi"\n' + END,
        ":3: error[unsupported-operation]: vector.print is unsupported\n",
    ),
    "nothing": (
        "func.func @main(%x: memref<4xi64>) {\n  return\n}\n",
        ":1: error[not-exportable]: the top function returns nothing, and writes to no argument\n",
    ),
    "syntax": (
        BEGIN + LOOP + "    affine.store %a, %A[%i] : memref<3xi64>\n  }\n" + END,
        ":5: error[model-file]: MLIR refuses the file\n  why: use of value '%A' expects different type",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, message = REFUSED[name]
    (tmp_path / "net.mlir").write_text(text)
    assert main([str(tmp_path / "net.mlir"), "-o", str(tmp_path / "net.sv")]) == 1
    assert str(tmp_path / "net.mlir") + message in capsys.readouterr().err
    assert not (tmp_path / "net.sv").exists()
