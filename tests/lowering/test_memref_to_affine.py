"""Functions over memories → loops: each as MLIR computes it, bit for bit, and in how many kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontend.test_mlir_memories import compared

FUNCTIONS = {
    "rounds that need those before": (
        """
func.func @main(%x: memref<8xi32>, %y: memref<8xi32>) {
  %A = memref.alloc() : memref<8xi32>
  %B = memref.alloc() : memref<8xi32>
  memref.copy %x, %A : memref<8xi32> to memref<8xi32>
  memref.copy %x, %B : memref<8xi32> to memref<8xi32>
  affine.for %t = 0 to 3 {
    affine.for %i = 1 to 7 {
      %a = affine.load %A[%i - 1] : memref<8xi32>
      %b = affine.load %A[%i + 1] : memref<8xi32>
      %s = arith.addi %a, %b : i32
      affine.store %s, %B[%i] : memref<8xi32>
    }
    affine.for %i = 1 to 7 {
      %a = affine.load %B[%i] : memref<8xi32>
      affine.store %a, %A[%i] : memref<8xi32>
    }
  }
  memref.copy %A, %y : memref<8xi32> to memref<8xi32>
  return
}
""",
        8,
    ),
    "a condition on the indices inside a reduction": (
        """
#s = affine_set<(d0) : (d0 - 1 >= 0, 7 - d0 >= 0)>
func.func @main(%x: memref<7xi32>, %w: memref<3xi32>) -> memref<7xi32> {
  %z = arith.constant 0 : i32
  %C = memref.alloc() : memref<7xi32>
  affine.for %i = 0 to 7 {
    affine.store %z, %C[%i] : memref<7xi32>
    affine.for %k = 0 to 3 {
      affine.if affine_set<(d0, d1) : (d0 + d1 - 1 >= 0, 7 - d0 - d1 >= 0)>(%i, %k) {
        %a = affine.load %x[%i + %k - 1] : memref<7xi32>
        %b = affine.load %w[%k] : memref<3xi32>
        %c = affine.load %C[%i] : memref<7xi32>
        %m = arith.muli %a, %b : i32
        %s = arith.addi %c, %m : i32
        affine.store %s, %C[%i] : memref<7xi32>
      }
    }
  }
  return %C : memref<7xi32>
}
""",
        1,
    ),
    "bounds that depend on outer loops": (
        """
func.func @main(%x: memref<6x6xi32>) -> memref<6xi32> {
  %z = arith.constant 0 : i32
  %C = memref.alloc() : memref<6xi32>
  affine.for %i = 0 to 6 {
    affine.store %z, %C[%i] : memref<6xi32>
    affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) {
      %a = affine.load %x[%i, %j] : memref<6x6xi32>
      %c = affine.load %C[%i] : memref<6xi32>
      %s = arith.addi %c, %a : i32
      affine.store %s, %C[%i] : memref<6xi32>
    }
  }
  return %C : memref<6xi32>
}
""",
        1,
    ),
    "two values carried by one loop": (
        """
func.func @main(%x: memref<4x9xi32>) -> (memref<4xi32>, memref<4xi64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c9 = arith.constant 9 : index
  %low = arith.constant -2147483648 : i32
  %none = arith.constant -1 : i64
  %M = memref.alloc() : memref<4xi32>
  %I = memref.alloc() : memref<4xi64>
  scf.for %r = %c0 to %c4 step %c1 {
    %m:2 = scf.for %i = %c0 to %c9 step %c1 iter_args(%a = %low, %b = %none) -> (i32, i64) {
      %v = memref.load %x[%r, %i] : memref<4x9xi32>
      %n = arith.index_cast %i : index to i64
      %g = arith.cmpi sgt, %v, %a : i32
      %na = arith.select %g, %v, %a : i32
      %nb = arith.select %g, %n, %b : i64
      scf.yield %na, %nb : i32, i64
    }
    memref.store %m#0, %M[%r] : memref<4xi32>
    memref.store %m#1, %I[%r] : memref<4xi64>
  }
  return %M, %I : memref<4xi32>, memref<4xi64>
}
""",
        1,
    ),
    "writes that values decide": (
        """
func.func @main(%x: memref<9xi32>) -> memref<9xi32> {
  %z = arith.constant 0 : i32
  %C = memref.alloc() : memref<9xi32>
  affine.for %i = 0 to 9 { affine.store %z, %C[%i] : memref<9xi32> }
  affine.for %i = 2 to 9 step 3 {
    %v = affine.load %x[%i] : memref<9xi32>
    %g = arith.cmpi sgt, %v, %z : i32
    scf.if %g {
      affine.store %v, %C[%i] : memref<9xi32>
    } else {
      %n = arith.subi %z, %v : i32
      affine.store %n, %C[%i - 1] : memref<9xi32> }
  }
  return %C : memref<9xi32>
}
""",
        3,
    ),
    "reads before writes of the same elements": (
        """
func.func @main(%x: memref<8xi32>) -> memref<8xi32> {
  %C = memref.alloc() : memref<8xi32>
  memref.copy %x, %C : memref<8xi32> to memref<8xi32>
  affine.for %i = 0 to 4 {
    %a = affine.load %C[%i] : memref<8xi32>
    %b = affine.load %C[7 - %i] : memref<8xi32>
    affine.store %b, %C[%i] : memref<8xi32>
    affine.store %a, %C[7 - %i] : memref<8xi32>
  }
  return %C : memref<8xi32>
}
""",
        3,
    ),
    "a cell and a line that each round writes first": (
        """
func.func @main(%x: memref<4x5xi32>) -> memref<4xi32> {
  %z = arith.constant 0 : i32
  %s = memref.alloc() : memref<i32>
  %line = memref.alloc() : memref<5xi32>
  %C = memref.alloc() : memref<4xi32>
  affine.for %i = 0 to 4 {
    affine.for %j = 0 to 5 {
      %a = affine.load %x[%i, %j] : memref<4x5xi32>
      %b = arith.muli %a, %a : i32
      affine.store %b, %line[%j] : memref<5xi32>
    }
    affine.store %z, %s[] : memref<i32>
    affine.for %j = 0 to 5 {
      %a = affine.load %line[4 - %j] : memref<5xi32>
      %c = affine.load %s[] : memref<i32>
      %t = arith.addi %c, %a : i32
      %u = arith.shli %t, %a : i32
      affine.store %t, %s[] : memref<i32>
    }
    %r = affine.load %s[] : memref<i32>
    affine.store %r, %C[%i] : memref<4xi32>
  }
  return %C : memref<4xi32>
}
""",
        2,
    ),
    "a copy, then changes of both": (
        """
func.func @main(%x: memref<6xi32>) -> (memref<6xi32>, memref<6xi32>) {
  %z = arith.constant 9 : i32
  %A = memref.alloc() : memref<6xi32>
  %B = memref.alloc() : memref<6xi32>
  affine.for %i = 0 to 6 { %a = affine.load %x[%i] : memref<6xi32>
    %b = arith.addi %a, %z : i32
    affine.store %b, %A[%i] : memref<6xi32> }
  memref.copy %A, %B : memref<6xi32> to memref<6xi32>
  affine.store %z, %A[2] : memref<6xi32>
  affine.for %i = 3 to 5 { %a = affine.load %B[%i] : memref<6xi32>
    %b = arith.addi %a, %a : i32
    affine.store %b, %B[%i + 1] : memref<6xi32> }
  return %A, %B : memref<6xi32>, memref<6xi32>
}
""",
        6,
    ),
    "what an inner loop goes on to carry": (
        """
func.func @main(%x: memref<4x3x6xi32>) -> memref<4xi32> {
  %z = arith.constant 0 : i32
  %A = memref.alloc() : memref<4xi32>
  affine.for %i = 0 to 4 {
    %r = affine.for %j = 0 to 3 iter_args(%s = %z) -> i32 {
      %q = affine.for %k = 0 to 6 iter_args(%t = %s) -> i32 {
        %a = affine.load %x[%i, %j, %k] : memref<4x3x6xi32>
        %b = arith.addi %t, %a : i32
        affine.yield %b : i32 }
      affine.yield %q : i32 }
    affine.store %r, %A[%i] : memref<4xi32> }
  return %A : memref<4xi32>
}
""",
        1,
    ),
    "operations of linalg on views": (
        """
memref.global "private" constant @w : memref<2x1x3x3xi32> = dense<[[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]],
  [[[-1, 2, -3], [4, -5, 6], [-7, 8, -9]]]]>
func.func @main(%x: memref<1x1x6x6xi32>, %m: memref<4x3xi32>)
    -> (memref<1x2x4x4xi32>, memref<8x3xi32>, memref<2x8xi32>) {
  %z = arith.constant 0 : i32
  %w = memref.get_global @w : memref<2x1x3x3xi32>
  %y = memref.alloc() : memref<1x2x4x4xi32>
  linalg.fill ins(%z : i32) outs(%y : memref<1x2x4x4xi32>)
  linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
    ins(%x, %w : memref<1x1x6x6xi32>, memref<2x1x3x3xi32>) outs(%y : memref<1x2x4x4xi32>)
  %f = memref.collapse_shape %y [[0, 1, 2], [3]] : memref<1x2x4x4xi32> into memref<8x4xi32>
  %p = memref.alloc() : memref<8x3xi32>
  linalg.fill ins(%z : i32) outs(%p : memref<8x3xi32>)
  linalg.matmul ins(%f, %m : memref<8x4xi32>, memref<4x3xi32>) outs(%p : memref<8x3xi32>)
  %q = memref.alloc() : memref<2x8xi32>
  %s = memref.subview %q[0, 0] [1, 8] [1, 1] : memref<2x8xi32> to memref<8xi32, strided<[1]>>
  %t = memref.subview %q[1, 0] [1, 8] [1, 1] : memref<2x8xi32> to memref<8xi32, strided<[1], offset: 8>>
  %c = memref.subview %p[0, 1] [8, 1] [1, 1] : memref<8x3xi32> to memref<8xi32, strided<[3], offset: 1>>
  memref.copy %c, %s : memref<8xi32, strided<[3], offset: 1>> to memref<8xi32, strided<[1]>>
  memref.copy %c, %t : memref<8xi32, strided<[3], offset: 1>> to memref<8xi32, strided<[1], offset: 8>>
  return %y, %p, %q : memref<1x2x4x4xi32>, memref<8x3xi32>, memref<2x8xi32>
}
""",
        4,
    ),
    "a value of a changing memory that another one needs": (
        """
func.func @main(%A: memref<4xi32>, %C: memref<4xi32>) -> (memref<4xi32>, memref<i32>) {
  %k = arith.constant 3 : i32
  %D = memref.alloc() : memref<4xi32>
  linalg.fill ins(%k : i32) outs(%D : memref<4xi32>)
  %s = memref.alloc() : memref<i32>
  affine.store %k, %s[] : memref<i32>
  affine.for %i0 = 0 to 3 {
      %v5 = affine.load %C[%i0] : memref<4xi32>
      affine.for %i9 = 1 to 3 {
        %v11 = affine.load %A[%i9] : memref<4xi32>
        %v12 = arith.addi %v11, %k : i32
        affine.store %v12, %s[] : memref<i32>
        %v13 = affine.load %s[] : memref<i32>
        %v14 = affine.load %D[%i0] : memref<4xi32>
        %v15 = arith.addi %v14, %v13 : i32
        affine.store %v15, %D[%i0] : memref<4xi32>
      }
  }
  return %D, %s : memref<4xi32>, memref<i32>
}
""",
        4,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str, tmp_path: Path) -> None:
    text, kernels = FUNCTIONS[name]
    program = compared(tmp_path / "net.mlir", text.lstrip(), after="linalg-to-affine")
    assert len(program.kernels) == kernels
