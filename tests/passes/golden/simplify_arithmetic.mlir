// simplify-arithmetic
program @top level affine {
  buffer @x: 4xf32 input
  buffer @y: 4xf32 input
  buffer @out: 4xf32 output
  function @top(@x, @y) -> (@out) {
    kernel @n0(%i0: 4) {
      stage 0 {
        %v0 = load @x[%i0] : f32
        %v1 = load @y[%i0] : f32
        %v2 = arith.subf %v0, %v1 : f32
        %c3 = constant 0x40400000 : f32
        %v4 = arith.divf %v2, %c3 : f32
        %c5 = constant 0x40800000 : f32
        %v6 = arith.divf %v4, %c5 : f32
        store %v6 to @out[%i0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 4xf32 input
  buffer @y: 4xf32 input
  buffer @out: 4xf32 output
  function @top(@x, @y) -> (@out) {
    kernel @n0(%i0: 4) {
      stage 0 {
        %v0 = load @x[%i0] : f32
        %v1 = load @y[%i0] : f32
        %v2_neg = arith.negf %v1 : f32
        %v2 = arith.addf %v0, %v2_neg : f32
        %c3 = constant 0x40400000 : f32
        %v4 = arith.divf %v2, %c3 : f32
        %c5 = constant 0x40800000 : f32
        %v6_factor = constant 0x3e800000 : f32
        %v6 = arith.mulf %v4, %v6_factor : f32
        store %v6 to @out[%i0]
      }
    }
  }
}
// simplified: ['n0']
