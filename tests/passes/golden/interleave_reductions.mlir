// interleave-reductions
// Rows in parts as long as the adder's latency; what sticks out of the last part is not computed.
program @top level affine {
  buffer @x: 997x4xf32 input
  buffer @w: 4x1xf32 input
  buffer @out: 997x1xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i0: 997, %i2: 4 reduces 0) macs 3988 {
      stage 0 {
        %v0 = load @x[%i0, %i2] : f32
        %v1 = load @w[%i2, 0] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[%i0, 0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 997x4xf32 input
  buffer @w: 4x1xf32 input
  buffer @out: 997x1xf32 output
  function @top(@x, @w) -> (@out) {
    kernel @matmul0(%i0o: 111, %i2: 4 reduces 0, %i0i: 9) macs 3988 {
      where (%i0i * -1 + %i0o * -9 + 996)
      stage 0 {
        %v0 = load @x[%i0i + %i0o * 9, %i2] : f32
        %v1 = load @w[%i2, 0] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[%i0i + %i0o * 9, 0]
      }
    }
  }
}
