// fuse-terms
// Squares that only a sum takes, made beside doubles that are read later; squares of y, for a total.
program @top level affine {
  buffer @x: 6x4xf32 input
  buffer @y: 4xf32 input
  buffer @out: 4x6xf32 output
  buffer @total: 1xf32 output
  buffer @t0: 4x6xf32 ram
  buffer @t1: 4xf32 ram
  buffer @t2: 4xf32 ram
  buffer @t3: 6x4xf32 ram
  function @top(@x, @y) -> (@out, @total) {
    kernel @n0(%i0: 6, %i1: 4) {
      stage 0 {
        %v0 = load @x[%i0, %i1] : f32
        %v1 = arith.mulf %v0, %v0 : f32
        %v2 = arith.addf %v0, %v0 : f32
        store %v1 to @t0[%i1, %i0]
        store %v2 to @t3[%i0, %i1]
      }
    }
    kernel @n1(%i0: 4, %i1: 6 reduces 0) {
      stage 0 {
        %v0 = load @t0[%i0, %i1] : f32
        %v2 = arith.addf %acc1, %v0 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @t1[%i0]
      }
    }
    kernel @n2(%i0: 4, %i1: 6) {
      stage 0 {
        %v0 = load @t3[%i1, %i0] : f32
        %v1 = load @t1[%i0] : f32
        %v2 = arith.mulf %v0, %v1 : f32
        store %v2 to @out[%i0, %i1]
      }
    }
    kernel @n3(%i0: 4) {
      stage 0 {
        %v0 = load @y[%i0] : f32
        %v1 = arith.mulf %v0, %v0 : f32
        store %v1 to @t2[%i0]
      }
    }
    kernel @n4(%i0: 4 reduces 0) {
      stage 0 {
        %v0 = load @t2[%i0] : f32
        %v2 = arith.addf %acc1, %v0 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @total[0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 6x4xf32 input
  buffer @y: 4xf32 input
  buffer @out: 4x6xf32 output
  buffer @total: 1xf32 output
  buffer @t3: 6x4xf32 ram
  buffer @t1: 4xf32 ram
  function @top(@x, @y) -> (@out, @total) {
    kernel @n1(%i0: 4, %i1: 6 reduces 0) {
      stage 0 {
        %n0_v0 = load @x[%i1, %i0] : f32
        %n0_v1 = arith.mulf %n0_v0, %n0_v0 : f32
        %n0_v2 = arith.addf %n0_v0, %n0_v0 : f32
        %v2 = arith.addf %acc1, %n0_v1 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
        store %n0_v2 to @t3[%i1, %i0]
      }
      stage 1 {
        store %v2 to @t1[%i0]
      }
    }
    kernel @n2(%i0: 4, %i1: 6) {
      stage 0 {
        %v0 = load @t3[%i1, %i0] : f32
        %v1 = load @t1[%i0] : f32
        %v2 = arith.mulf %v0, %v1 : f32
        store %v2 to @out[%i0, %i1]
      }
    }
    kernel @n4(%i0: 4 reduces 0) {
      stage 0 {
        %n3_v0 = load @y[%i0] : f32
        %n3_v1 = arith.mulf %n3_v0, %n3_v0 : f32
        %v2 = arith.addf %acc1, %n3_v1 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @total[0]
      }
    }
  }
}
// fused: ['n0 into n1', 'n3 into n4']
