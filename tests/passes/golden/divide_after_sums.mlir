// divide-after-sums
program @top level affine {
  buffer @x: 4x6xf32 input
  buffer @v: 6x3xf32 input
  buffer @out: 4x3xf32 output
  buffer @t0: 4xf32 ram
  buffer @t3: 4x6xf32 ram
  buffer @t4: 4x1xf32 ram
  buffer @t5: 4x6xf32 ram
  function @top(@x, @v) -> (@out) {
    kernel @n0(%i0: 4, %i1: 6 reduces 0) {
      stage 0 {
        %v0 = load @x[%i0, %i1] : f32
        %v5 = arith.maximumf %v0, %acc1 : f32
        %c10 = constant 0xff800000 : f32
        carry %acc1 = %c10 next %v5 : f32
      }
      stage 1 {
        store %v5 to @t0[%i0]
      }
    }
    kernel @n1(%i0: 4, %i1: 6) {
      stage 0 {
        %v0 = load @x[%i0, %i1] : f32
        %v1 = load @t0[%i0] : f32
        %v2 = arith.subf %v0, %v1 : f32
        %n2_v1 = math.exp %v2 : f32
        store %n2_v1 to @t3[%i0, %i1]
      }
    }
    kernel @n3(%i0: 4, %i1: 6 reduces 0) {
      stage 0 {
        %v0 = load @t3[%i0, %i1] : f32
        %v2 = arith.addf %v0, %acc1 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @t4[%i0, 0]
      }
    }
    kernel @n4(%i0: 4, %i1: 6) {
      stage 0 {
        %v0 = load @t3[%i0, %i1] : f32
        %v1 = load @t4[%i0, 0] : f32
        %v2 = arith.divf %v0, %v1 : f32
        store %v2 to @t5[%i0, %i1]
      }
    }
    kernel @n5(%i0: 4, %i1: 3, %i2: 6 reduces 0) macs 72 {
      stage 0 {
        %v0 = load @t5[%i0, %i2] : f32
        %v1 = load @v[%i2, %i1] : f32
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
program @top level affine {
  buffer @x: 4x6xf32 input
  buffer @v: 6x3xf32 input
  buffer @out: 4x3xf32 output
  buffer @t0: 4xf32 ram
  buffer @t3: 4x6xf32 ram
  buffer @t4: 4x1xf32 ram
  buffer @t5: 4x6xf32 ram
  function @top(@x, @v) -> (@out) {
    kernel @n0(%i0: 4, %i1: 6 reduces 0) {
      stage 0 {
        %v0 = load @x[%i0, %i1] : f32
        %v5 = arith.maximumf %v0, %acc1 : f32
        %c10 = constant 0xff800000 : f32
        carry %acc1 = %c10 next %v5 : f32
      }
      stage 1 {
        store %v5 to @t0[%i0]
      }
    }
    kernel @n1(%i0: 4, %i1: 6) {
      stage 0 {
        %v0 = load @x[%i0, %i1] : f32
        %v1 = load @t0[%i0] : f32
        %v2 = arith.subf %v0, %v1 : f32
        %n2_v1 = math.exp %v2 : f32
        store %n2_v1 to @t3[%i0, %i1]
      }
    }
    kernel @n3(%i0: 4, %i1: 6 reduces 0) {
      stage 0 {
        %v0 = load @t3[%i0, %i1] : f32
        %v2 = arith.addf %v0, %acc1 : f32
        %c3 = constant 0x00000000 : f32
        carry %acc1 = %c3 next %v2 : f32
      }
      stage 1 {
        store %v2 to @t4[%i0, 0]
      }
    }
    kernel @n4(%i0: 4, %i1: 6) {
      stage 0 {
        %v0 = load @t3[%i0, %i1] : f32
        %v1 = load @t4[%i0, 0] : f32
        %v2 = arith.divf %v0, %v1 : f32
        store %v2 to @t5[%i0, %i1]
      }
    }
    kernel @n5(%i0: 4, %i1: 3, %i2: 6 reduces 0) macs 72 {
      stage 0 {
        %v0 = load @t3[%i0, %i2] : f32
        %v1 = load @v[%i2, %i1] : f32
        %v3 = arith.mulf %v0, %v1 : f32
        %v4 = arith.addf %acc2, %v3 : f32
        %c5 = constant 0x00000000 : f32
        carry %acc2 = %c5 next %v4 : f32
      }
      stage 1 {
        %v0_divisor = load @t4[%i0, 0] : f32
        %v4_divided = arith.divf %v4, %v0_divisor : f32
        store %v4_divided to @out[%i0, %i1]
      }
    }
  }
}
// divisions after sums: ['n5']
// rounding: ['n5']
