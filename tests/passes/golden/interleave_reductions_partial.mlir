// interleave-reductions
// One output, too few for the adder's latency: partial sums.
program @top level affine {
  buffer @x: 96xf32 input
  buffer @out: f32 output
  function @top(@x) -> (@out) {
    kernel @sum0(%i0: 96 reduces 0) {
      stage 0 {
        %v0 = load @x[%i0] : f32
        %v2 = arith.addf %acc1, %v0 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @out[]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 96xf32 input
  buffer @out: f32 output
  buffer @sum0_partial: 6xf32 ram
  function @top(@x) -> (@out) {
    kernel @sum0_partial(%i0o: 16 reduces 0, %i0i: 6) {
      stage 0 {
        %acc1_zero = constant 0x00000000 : f32
        carry %acc1 = %acc1_zero next %v2 : f32
        %v0 = load @x[%i0i + %i0o * 6] : f32
        %v2 = arith.addf %acc1, %v0 : f32
      }
      stage 1 {
        store %v2 to @sum0_partial[%i0i]
      }
    }
    kernel @sum0(%i0i: 6 reduces 0) {
      stage 0 {
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2_total : f32
        %acc1_term = load @sum0_partial[%i0i] : f32
        %v2_total = arith.addf %acc1, %acc1_term : f32
      }
      stage 1 {
        store %v2_total to @out[]
      }
    }
  }
}
// rounding: ['sum0']
