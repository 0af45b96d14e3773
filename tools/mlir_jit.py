"""MLIR compiled for this process: the pipeline to LLVM, and how arrays are handed over."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

TO_LLVM = (
    "builtin.module(expand-strided-metadata,lower-affine,convert-scf-to-cf,"
    "func.func(math-expand-ops{ops=rsqrt,fpowi}),convert-math-to-libm,"  # the C library has neither
    "convert-to-llvm,reconcile-unrealized-casts)"
)

ROUND_TO_BF16 = """
func.func @__truncsfbf2(%x: f32) -> bf16 {
  %half = arith.constant 32767 : i32
  %one = arith.constant 1 : i32
  %sixteen = arith.constant 16 : i32
  %canonical = arith.constant 32704 : i16
  %bits = arith.bitcast %x : f32 to i32
  %above = arith.shrui %bits, %sixteen : i32
  %odd = arith.andi %above, %one : i32
  %up = arith.addi %half, %odd : i32
  %moved = arith.addi %bits, %up : i32
  %kept = arith.shrui %moved, %sixteen : i32
  %rounded = arith.trunci %kept : i32 to i16
  %nan = arith.cmpf uno, %x, %x : f32
  %word = arith.select %nan, %canonical, %rounded : i16
  %y = arith.bitcast %word : i16 to bf16
  return %y : bf16
}
"""
"""What LLVM calls to round to bf16, by the name that its run-time library has for it; the process has none."""


def descriptor(address: int, shape: Sequence[int], strides: Sequence[int]) -> Any:
    """A pointer to a pointer to MLIR's memref descriptor, as the C interface takes it. What is at `address` must
    outlive it; strides count elements."""
    rank = len(shape)
    fields: list[tuple[str, Any]] = [
        ("allocated", ctypes.c_void_p),
        ("aligned", ctypes.c_void_p),
        ("offset", ctypes.c_int64),
    ]
    if rank:
        fields += [("sizes", ctypes.c_int64 * rank), ("strides", ctypes.c_int64 * rank)]
    layout = type("MemrefDescriptor", (ctypes.Structure,), {"_fields_": fields})
    made = layout(address, address, 0)
    if rank:
        made.sizes[:] = list(shape)
        made.strides[:] = list(strides)
    return ctypes.pointer(ctypes.pointer(made))
