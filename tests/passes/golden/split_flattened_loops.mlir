// split-flattened-loops --partition 2
// The divisors of %i2 divide each other; those of %i0 in the second kernel do not.
program @top level affine {
  buffer @x: 1x3x4x5xf32 input
  buffer @w: 60x2xf32 input
  buffer @y: 6x10xf32 input
  buffer @out: 1x2xf32 output
  buffer @other: 15x4xf32 output
  function @top(@x, @w, @y) -> (@out, @other) {
    kernel @matmul0(%i1: 2, %i2: 60 reduces 0) macs 120 {
      stage 0 {
        %v0 = load @x[0, (%i2) floordiv 20, ((%i2) floordiv 5) mod 4, (%i2) mod 5] : f32
        %v1 = load @w[%i2, %i1] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[0, %i1]
      }
    }
    kernel @copy0(%i0: 60) {
      stage 0 {
        %v0 = load @y[(%i0) floordiv 10, (%i0) mod 10] : f32
        store %v0 to @other[(%i0) floordiv 4, (%i0) mod 4]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 1x3x4x5xf32 input
  buffer @w: 60x2xf32 input
  buffer @y: 6x10xf32 input
  buffer @out: 1x2xf32 output
  buffer @other: 15x4xf32 output
  function @top(@x, @w, @y) -> (@out, @other) {
    kernel @matmul0(%i1: 2, %i2d0: 3 reduces 0, %i2d1: 4 reduces 0, %i2d2: 5 reduces 0) macs 120 {
      stage 0 {
        %v0 = load @x[0, %i2d0, %i2d1, %i2d2] : f32
        %v1 = load @w[%i2d0 * 20 + %i2d1 * 5 + %i2d2, %i1] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[0, %i1]
      }
    }
    kernel @copy0(%i0: 60) {
      stage 0 {
        %v0 = load @y[(%i0) floordiv 10, (%i0) mod 10] : f32
        store %v0 to @other[(%i0) floordiv 4, (%i0) mod 4]
      }
    }
  }
}
// matmul0: i1 < 2, i2d0 < 3, i2d1 < 4, i2d2 < 5
