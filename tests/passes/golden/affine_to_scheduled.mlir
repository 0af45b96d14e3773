// affine-to-scheduled
program @top level affine {
  buffer @x: 3x4xf32 input
  buffer @w: 4x2xf32 input
  buffer @out: 3x2xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i2: 4 reduces 0, %i0: 3, %i1: 2) macs 24 {
      stage 0 {
        %v0 = load @x[%i0, %i2] : f32
        %v1 = load @w[%i2, %i1] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[%i0, %i1]
      }
    }
  }
}
// ----- after
program @top level scheduled {
  buffer @x: 3x4xf32 input
  buffer @w: 4x2xf32 input
  buffer @out: 3x2xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i2: 4 reduces 0, %i0: 3, %i1: 2) interval 1 depth 13 macs 24 {
      stage 0 {
        %v0 = load @x[%i0, %i2] : f32 {cycle = 0, ready = 2}
        %v1 = load @w[%i2, %i1] : f32 {cycle = 0, ready = 2}
        %v3 = arith.mulf %v0, %v1 : f32 {cycle = 2, ready = 6}
        %v4 = arith.addf %acc2, %v3 : f32 {cycle = 6, ready = 12}
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32 {cycle = 6, ready = 6}
      }
      stage 1 {
        store %v4 to @out[%i0, %i1] {cycle = 12}
      }
    }
  }
}
