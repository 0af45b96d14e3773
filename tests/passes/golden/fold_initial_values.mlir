// fold-initial-values
program @top level affine {
  buffer @x: 3x4xf32 input
  buffer @w: 4x2xf32 input
  buffer @b: 3x2xf32 input
  buffer @out: 3x2xf32 output
  function @top(@x, @w, @b) -> (@out) {
    kernel @n0(%i0: 3, %i1: 2, %i2: 4 reduces 0) macs 24 {
      stage 0 {
        %v0 = load @x[%i0, %i2] : f32
        %v1 = load @w[%i2, %i1] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        %n1_v1 = load @b[%i0, %i1] : f32
        %n1_v2 = arith.addf %v4, %n1_v1 : f32
        store %n1_v2 to @out[%i0, %i1]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 3x4xf32 input
  buffer @w: 4x2xf32 input
  buffer @b: 3x2xf32 input
  buffer @out: 3x2xf32 output
  function @top(@x, @w, @b) -> (@out) {
    kernel @n0(%i0: 3, %i1: 2, %i2: 4 reduces 0) macs 24 {
      stage 0 {
        %v0 = load @x[%i0, %i2] : f32
        %v1 = load @w[%i2, %i1] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        %n1_v1 = load @b[%i0, %i1] : f32
        carry %acc2 = %n1_v1 next %v4 : f32
      }
      stage 1 {
        store %v4 to @out[%i0, %i1]
      }
    }
  }
}
// rounding: ['n0']
