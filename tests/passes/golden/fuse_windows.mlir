// fuse-windows
// Sums over pairs of what a reduction makes; the fifteenth row has no partner and is not computed.
program @top level affine {
  buffer @x: 15x4xf32 input
  buffer @out: 7xf32 output
  buffer @t0: 15xf32 ram
  function @top(@x) -> (@out) {
    kernel @n0(%i0: 15, %i1: 4 reduces 0) {
      stage 0 {
        %v0 = load @x[%i0, %i1] : f32
        %v2 = arith.addf %acc1, %v0 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @t0[%i0]
      }
    }
    kernel @n1(%i0: 7, %i1: 2 reduces 0) {
      stage 0 {
        %v0 = load @t0[%i0 * 2 + %i1] : f32
        %v2 = arith.maximumf %acc1, %v0 : f32
        %c3 = constant 0xff800000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @out[%i0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 15x4xf32 input
  buffer @out: 7xf32 output
  function @top(@x) -> (@out) {
    kernel @n1(%i0: 7, %i1: 2 reduces 1, %n0_i1: 4 reduces 0) {
      stage 0 {
        %n0_v0 = load @x[%i0 * 2 + %i1, %n0_i1] : f32
        %n0_v2 = arith.addf %n0_acc1, %n0_v0 : f32
        %n0_c3 = constant 0x00000000 : f32
        carry %n0_acc1 = %n0_c3 next %n0_v2 : f32
      }
      stage 1 {
        %v2 = arith.maximumf %acc1, %n0_v2 : f32
        %c3 = constant 0xff800000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 2 {
        store %v2 to @out[%i0]
      }
    }
  }
}
// fused: ['n1 into n0']
