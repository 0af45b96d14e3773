from __future__ import annotations

import numpy as np
import pytest
import torch

from torch2hw.analysis.reference import Reference, flushing_subnormals
from torch2hw.analysis.stored_arrays import canonicalise_nans, from_torch, from_words, to_torch, to_words
from torch2hw.dialects.number_types import number_type

PRODUCT = """
func.func @main(%a: memref<3xf32>, %b: memref<3xf32>, %y: memref<3xf32>) {
  affine.for %i = 0 to 3 {
    %0 = affine.load %a[%i] : memref<3xf32>
    %1 = affine.load %b[%i] : memref<3xf32>
    %2 = arith.mulf %0, %1 : f32
    affine.store %2, %y[%i] : memref<3xf32>
  }
  return
}
"""
COPY = """
func.func @main(%x: memref<{shape}>, %y: memref<{shape}>) {{
  memref.copy %x, %y : memref<{shape}> to memref<{shape}>
  return
}}
"""


def test_subnormals_are_flushed_or_kept_whatever_the_thread_had() -> None:
    a = np.array([1e-40, 1e-30, 2.0], np.float32)
    b = np.array([1.0, 1e-10, 3.0], np.float32)
    for before in (False, True):
        with flushing_subnormals(before):
            flushed = Reference(PRODUCT, "flush").run([a, b])[0]
            kept = Reference(PRODUCT, "keep").run([a, b])[0]
            assert bool(a[0] * np.float32(1) == 0) is before
        assert flushed.view(np.uint32).tolist() == [0, 0, 0x40C00000]
        assert (kept.view(np.uint32) != 0).all()


def test_multiply_and_add_are_not_contracted() -> None:
    program = """
    func.func @main(%x: memref<f32>, %c: memref<f32>, %y: memref<f32>) {
      %0 = affine.load %x[] : memref<f32>
      %1 = affine.load %c[] : memref<f32>
      %2 = arith.mulf %0, %0 : f32
      %3 = arith.addf %2, %1 : f32
      affine.store %3, %y[] : memref<f32>
      return
    }
    """
    x = np.array(1 + 2.0**-12, np.float32)
    assert Reference(program).run([x, -np.array(x * x)]) == [np.float32(0)]


@pytest.mark.parametrize("factor", [1.0, -1.0])
def test_constants_do_not_fold_a_flush_away(factor: float) -> None:
    program = f"""
    memref.global "private" constant @w : memref<2xf32> = dense<{factor}>
    func.func @main(%x: memref<2xf32>, %y: memref<2xf32>, %z: memref<2xf32>) {{
      %c = arith.constant {factor} : f32
      %w = memref.get_global @w : memref<2xf32>
      affine.for %i = 0 to 2 {{
        %0 = affine.load %x[%i] : memref<2xf32>
        %1 = affine.load %w[%i] : memref<2xf32>
        %2 = arith.mulf %0, %1 : f32
        affine.store %2, %y[%i] : memref<2xf32>
        %3 = arith.mulf %0, %c : f32
        affine.store %3, %z[%i] : memref<2xf32>
      }}
      return
    }}
    """
    x = np.array([1e-40, 3.0], np.float32)
    for result in Reference(program).run([x]):
        assert result.tolist() == [0.0, 3.0 * factor]


def test_a_private_function_and_a_large_constant() -> None:
    weights = np.arange(1 << 18, dtype=np.float32).reshape(512, 512)
    program = f"""
    memref.global "private" constant @w : memref<512x512xf32> = dense<"0x{weights.tobytes().hex().upper()}">
    func.func private @twice(%in: f32) -> f32 {{
      %0 = arith.addf %in, %in : f32
      return %0 : f32
    }}
    func.func @main(%y: memref<512x512xf32>) {{
      %w = memref.get_global @w : memref<512x512xf32>
      affine.for %i = 0 to 512 {{ affine.for %j = 0 to 512 {{
        %0 = affine.load %w[%j, %i] : memref<512x512xf32>
        %1 = func.call @twice(%0) : (f32) -> f32
        affine.store %1, %y[%i, %j] : memref<512x512xf32>
      }} }}
      return
    }}
    """
    assert np.array_equal(Reference(program).run([])[0], 2 * weights.T)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i64", "i32", "i16", "i8", "i1"])
@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 5, 2)])
def test_every_format_and_rank_passes_unchanged(dtype: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(7)
    x = from_words(random.integers(0, 2**64, size=shape, dtype=np.uint64).reshape(-1), dtype, shape)
    memref = "x".join([*map(str, shape), dtype])
    (y,) = Reference(COPY.format(shape=memref)).run([x])
    assert y.shape == shape and y.tobytes() == x.tobytes()
    assert from_torch(to_torch(x, dtype)).tobytes() == x.tobytes()
    assert to_words(x, dtype).max() < 2 ** number_type(dtype).bits


def test_wrong_inputs_are_our_fault_and_said_plainly() -> None:
    reference = Reference(PRODUCT)
    with pytest.raises(AssertionError, match=r"input 1 has shape \(2,\), the program wants \(3,\)"):
        reference.run([np.zeros(3, np.float32), np.zeros(2, np.float32)])
    with pytest.raises(AssertionError, match="input 0 is float64, the program wants f32"):
        reference.run([np.zeros(3), np.zeros(3)])


@pytest.mark.parametrize("predicate", ["ogt", "ugt", "olt", "ult"])
def test_a_selection_gives_the_bits_it_chose(predicate: str) -> None:
    """LLVM would make a flushing maximum or minimum of it. Found by the fuzzer: torch.maximum of two subnormals."""
    buffers = ", ".join(f"%{name}: memref<4xf32>" for name in "xyo")
    text = f"""
        func.func @main({buffers}) {{
          affine.for %i = 0 to 4 {{
            %a = affine.load %x[%i] : memref<4xf32>
            %b = affine.load %y[%i] : memref<4xf32>
            %c = arith.cmpf {predicate}, %a, %b : f32
            %r = arith.select %c, %a, %b : f32
            affine.store %r, %o[%i] : memref<4xf32>
          }}
          return
        }}"""
    x = np.array([0, 1, 0x3F800000, 0x80000001], np.uint32)
    y = np.array([0x7FFFFF, 0x7FFFFF, 0x7FFFFF, 0x3F800000], np.uint32)
    (got,) = Reference(text).run([x.view(np.float32), y.view(np.float32)])
    below = np.array([0, 0, 0, 1], bool)  # x < y, subnormals being zeros
    above = np.array([0, 0, 1, 0], bool)
    assert got.view(np.uint32).tolist() == np.where(above if "gt" in predicate else below, x, y).tolist()


def test_the_size_of_an_integer() -> None:
    text = """
    func.func @main(%x: memref<4xi32>, %y: memref<4xi32>) {
      affine.for %i = 0 to 4 {
        %v = affine.load %x[%i] : memref<4xi32>
        %r = math.absi %v : i32
        affine.store %r, %y[%i] : memref<4xi32>
      }
      return
    }
    """
    x = np.array([-(2**31), -7, 0, 2**31 - 1], np.int32)
    np.testing.assert_array_equal(Reference(text).run([x])[0], np.abs(x))


ROUNDING = """
func.func @main(%x: memref<{n}xf32>, %y: memref<{n}xbf16>) {{
  affine.for %i = 0 to {n} {{
    %0 = affine.load %x[%i] : memref<{n}xf32>
    %1 = arith.truncf %0 : f32 to bf16
    %2 = arith.addf %1, %1 : bf16
    affine.store %2, %y[%i] : memref<{n}xbf16>
  }}
  return
}}
"""


def test_rounding_to_bf16_is_to_nearest_even() -> None:
    words = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0xFF800000, 0x7FC00001, 0x80000000], np.uint32)
    y = Reference(ROUNDING.format(n=len(words))).run([words.view(np.float32)])[0]
    expected = torch.from_numpy(words.view(np.int32).copy()).view(torch.float32).bfloat16() * 2
    assert canonicalise_nans(to_words(y, "bf16"), "bf16").tolist() == to_words(from_torch(expected), "bf16").tolist()
