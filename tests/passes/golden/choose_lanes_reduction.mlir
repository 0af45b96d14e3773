// choose-lanes --partition 2
// One output: lanes of the sum itself, and a tree.
program @top level affine {
  buffer @x: 1x8xf32 input
  buffer @w: 8x1xf32 input
  buffer @out: 1x1xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i2: 8 reduces 0) macs 8 {
      stage 0 {
        %v0 = load @x[0, %i2] : f32
        %v1 = load @w[%i2, 0] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[0, 0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 1x8xf32 input
  buffer @w: 8x1xf32 input
  buffer @out: 1x1xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i2l: 2 reduces 0) lanes 4 macs 8 {
      stage 0 {
        %v0r0 = load @x[0, %i2l * 4] : f32
        %v1r0 = load @w[%i2l * 4, 0] : f32
        %v3r0 = arith.mulf %v0r0, %v1r0 : f32
        %c5r0 = constant 0x00000000 : f32
        carry %acc2 = %c5r0 next %v4 : f32
        %v0r1 = load @x[0, %i2l * 4 + 1] : f32
        %v1r1 = load @w[%i2l * 4 + 1, 0] : f32
        %v3r1 = arith.mulf %v0r1, %v1r1 : f32
        %v0r2 = load @x[0, %i2l * 4 + 2] : f32
        %v1r2 = load @w[%i2l * 4 + 2, 0] : f32
        %v3r2 = arith.mulf %v0r2, %v1r2 : f32
        %v0r3 = load @x[0, %i2l * 4 + 3] : f32
        %v1r3 = load @w[%i2l * 4 + 3, 0] : f32
        %v3r3 = arith.mulf %v0r3, %v1r3 : f32
        %v4t0_0 = arith.addf %v3r0, %v3r1 : f32
        %v4t0_1 = arith.addf %v3r2, %v3r3 : f32
        %v4t1_0 = arith.addf %v4t0_0, %v4t0_1 : f32
        %v4 = arith.addf %acc2, %v4t1_0 : f32
      }
      stage 1 {
        store %v4 to @out[0, 0]
      }
    }
  }
}
// matmul0: i2 ×4: about 38 cycles
// rounding: ['matmul0']
