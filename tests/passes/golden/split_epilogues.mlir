// split-epilogues --partition 4
// Nine terms a sum: 16 lanes would each have a multiplier and an adder for what follows. The other sum has 16 lanes.
program @top level affine {
  buffer @x: 64x34x34xf32 input
  buffer @w: 64x3x3xf32 input
  buffer @scale: 64xf32 input
  buffer @v: 64x512xf32 input
  buffer @hidden: 64x32x32xf32 ram
  buffer @out: 512x32x32xf32 output
  function @top(@x, @w, @scale, @v) -> (@out) {
    kernel @conv0(%i0: 64, %i1: 32, %i2: 32, %i3: 3 reduces 0, %i4: 3 reduces 0) macs 589824 {
      stage 0 {
        %a = load @x[%i0, %i1 + %i3, %i2 + %i4] : f32
        %b = load @w[%i0, %i3, %i4] : f32
        %m = arith.mulf %a, %b : f32
        %next = arith.addf %acc, %m : f32
        %zero = constant 0x00000000 : f32
        %s = load @scale[%i0] : f32
        carry %acc = %zero next %next : f32
      }
      stage 1 {
        %scaled = arith.mulf %next, %s : f32
        %one = constant 0x3f800000 : f32
        %shifted = arith.addf %scaled, %one : f32
        store %shifted to @hidden[%i0, %i1, %i2]
      }
    }
    kernel @matmul0(%i0: 512, %i1: 32, %i2: 32, %i3: 64 reduces 0) macs 33554432 {
      stage 0 {
        %a = load @hidden[%i3, %i1, %i2] : f32
        %b = load @v[%i3, %i0] : f32
        %m = arith.mulf %a, %b : f32
        %next = arith.addf %acc, %m : f32
        %zero = constant 0x00000000 : f32
        carry %acc = %zero next %next : f32
      }
      stage 1 {
        %one = constant 0x3f800000 : f32
        %shifted = arith.addf %next, %one : f32
        store %shifted to @out[%i0, %i1, %i2]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 64x34x34xf32 input
  buffer @w: 64x3x3xf32 input
  buffer @scale: 64xf32 input
  buffer @v: 64x512xf32 input
  buffer @out: 512x32x32xf32 output
  buffer @conv0_sum: 64x32x32xf32 ram
  buffer @hidden: 64x32x32xf32 ram
  function @top(@x, @w, @scale, @v) -> (@out) {
    kernel @conv0(%i0: 64, %i1: 32, %i2: 32, %i3: 3 reduces 0, %i4: 3 reduces 0) macs 589824 {
      stage 0 {
        %a = load @x[%i0, %i1 + %i3, %i2 + %i4] : f32
        %b = load @w[%i0, %i3, %i4] : f32
        %m = arith.mulf %a, %b : f32
        %next = arith.addf %acc, %m : f32
        %zero = constant 0x00000000 : f32
        carry %acc = %zero next %next : f32
      }
      stage 1 {
        store %next to @conv0_sum[%i0, %i1, %i2]
      }
    }
    kernel @conv0_rest(%i0: 64, %i1: 32, %i2: 32) {
      stage 0 {
        %s = load @scale[%i0] : f32
        %next = load @conv0_sum[%i0, %i1, %i2] : f32
        %scaled = arith.mulf %next, %s : f32
        %one = constant 0x3f800000 : f32
        %shifted = arith.addf %scaled, %one : f32
        store %shifted to @hidden[%i0, %i1, %i2]
      }
    }
    kernel @matmul0(%i0: 512, %i1: 32, %i2: 32, %i3: 64 reduces 0) macs 33554432 {
      stage 0 {
        %a = load @hidden[%i3, %i1, %i2] : f32
        %b = load @v[%i3, %i0] : f32
        %m = arith.mulf %a, %b : f32
        %next = arith.addf %acc, %m : f32
        %zero = constant 0x00000000 : f32
        carry %acc = %zero next %next : f32
      }
      stage 1 {
        %one = constant 0x3f800000 : f32
        %shifted = arith.addf %next, %one : f32
        store %shifted to @out[%i0, %i1, %i2]
      }
    }
  }
}
// split: ['conv0']
