// bank-memories --partition 2
program @top level affine {
  buffer @x: 6x4xf32 input
  buffer @w: 4x2xf32 input
  buffer @out: 6x2xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i2l: 2 reduces 0, %i0: 6) lanes 4 macs 48 {
      stage 0 {
        %v0_0r0 = load @x[%i0, %i2l * 2] : f32
        %v1_0r0 = load @w[%i2l * 2, 0] : f32
        %v3_0r0 = arith.mulf %v0_0r0, %v1_0r0 : f32
        %c5_0r0 = constant 0x00000000 : f32
        carry %acc2_0 = %c5_0r0 next %v4_0 : f32
        carry %acc2_1 = %c5_0r0 next %v4_1 : f32
        %v0_0r1 = load @x[%i0, %i2l * 2 + 1] : f32
        %v1_0r1 = load @w[%i2l * 2 + 1, 0] : f32
        %v3_0r1 = arith.mulf %v0_0r1, %v1_0r1 : f32
        %v4_0t0_0 = arith.addf %v3_0r0, %v3_0r1 : f32
        %v4_0 = arith.addf %acc2_0, %v4_0t0_0 : f32
        %v1_1r0 = load @w[%i2l * 2, 1] : f32
        %v3_1r0 = arith.mulf %v0_0r0, %v1_1r0 : f32
        %v1_1r1 = load @w[%i2l * 2 + 1, 1] : f32
        %v3_1r1 = arith.mulf %v0_0r1, %v1_1r1 : f32
        %v4_1t0_0 = arith.addf %v3_1r0, %v3_1r1 : f32
        %v4_1 = arith.addf %acc2_1, %v4_1t0_0 : f32
      }
      stage 1 {
        store %v4_0 to @out[%i0, 0]
        store %v4_1 to @out[%i0, 1]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 6x4xf32 input banks 1x2
  buffer @w: 4x2xf32 input banks 2x2
  buffer @out: 6x2xf32 output banks 1x2
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i2l: 2 reduces 0, %i0: 6) lanes 4 macs 48 {
      stage 0 {
        %v0_0r0 = load @x[%i0, %i2l * 2] : f32
        %v1_0r0 = load @w[%i2l * 2, 0] : f32
        %v3_0r0 = arith.mulf %v0_0r0, %v1_0r0 : f32
        %c5_0r0 = constant 0x00000000 : f32
        carry %acc2_0 = %c5_0r0 next %v4_0 : f32
        carry %acc2_1 = %c5_0r0 next %v4_1 : f32
        %v0_0r1 = load @x[%i0, %i2l * 2 + 1] : f32
        %v1_0r1 = load @w[%i2l * 2 + 1, 0] : f32
        %v3_0r1 = arith.mulf %v0_0r1, %v1_0r1 : f32
        %v4_0t0_0 = arith.addf %v3_0r0, %v3_0r1 : f32
        %v4_0 = arith.addf %acc2_0, %v4_0t0_0 : f32
        %v1_1r0 = load @w[%i2l * 2, 1] : f32
        %v3_1r0 = arith.mulf %v0_0r0, %v1_1r0 : f32
        %v1_1r1 = load @w[%i2l * 2 + 1, 1] : f32
        %v3_1r1 = arith.mulf %v0_0r1, %v1_1r1 : f32
        %v4_1t0_0 = arith.addf %v3_1r0, %v3_1r1 : f32
        %v4_1 = arith.addf %acc2_1, %v4_1t0_0 : f32
      }
      stage 1 {
        store %v4_0 to @out[%i0, 0]
        store %v4_1 to @out[%i0, 1]
      }
    }
  }
}
// x: [1, 2]
// w: [2, 2]
// out: [1, 2]
