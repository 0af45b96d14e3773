// narrow-storage
program @top level affine {
  buffer @x: 4x8xbf16 input
  buffer @wide: 8x4xf32 ram
  buffer @w: 8xf32 rom = [0x3f800000, 0x40000000, 0xbfc00000, 0x3f800000, 0x40000000, 0xbfc00000, 0x7fc00000, 0xff800000]
  buffer @b: 4xf32 rom = [0x3f800001, 0x3f800000, 0x3f800000, 0x3f800000]
  buffer @t: 4xf32 ram
  buffer @out: 4xbf16 output
  function @top(@x) -> (@out) {
    kernel @n0(%i: 8, %j: 4) {
      stage 0 {
        %v0 = load @x[%j, %i] : bf16
        %v1 = arith.extf %v0 : (bf16) -> f32
        store %v1 to @wide[%i, %j]
      }
    }
    kernel @n1(%i: 4, %k: 8 reduces 0) macs 32 {
      stage 0 {
        %first = load @b[%i] : f32
        carry %acc = %first next %next : f32
        %a = load @wide[%k, %i - 1] where (%i - 1) else 0x00000000 : f32
        %c = load @w[%k] : f32
        %p = arith.mulf %a, %c : f32
        %next = arith.addf %acc, %p : f32
      }
      stage 1 {
        store %next to @t[%i]
      }
    }
    kernel @n2(%i: 4) {
      stage 0 {
        %v0 = load @t[%i] : f32
        %v1 = arith.truncf %v0 : (f32) -> bf16
        store %v1 to @out[%i]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 4x8xbf16 input
  buffer @out: 4xbf16 output
  buffer @b: 4xf32 rom = [0x3f800001, 0x3f800000, 0x3f800000, 0x3f800000]
  buffer @w: 8xbf16 rom = [0x3f80, 0x4000, 0xbfc0, 0x3f80, 0x4000, 0xbfc0, 0x7fc0, 0xff80]
  buffer @t: 4xf32 ram
  function @top(@x) -> (@out) {
    kernel @n1(%i: 4, %k: 8 reduces 0) macs 32 {
      stage 0 {
        %first = load @b[%i] : f32
        carry %acc = %first next %next : f32
        %a_bf16 = load @x[%i - 1, %k] where (%i - 1) else 0x0000 : bf16
        %a = arith.extf %a_bf16 : (bf16) -> f32
        %c_bf16 = load @w[%k] : bf16
        %c = arith.extf %c_bf16 : (bf16) -> f32
        %p = arith.mulf %a, %c : f32
        %next = arith.addf %acc, %p : f32
      }
      stage 1 {
        store %next to @t[%i]
      }
    }
    kernel @n2(%i: 4) {
      stage 0 {
        %v0 = load @t[%i] : f32
        %v1 = arith.truncf %v0 : (f32) -> bf16
        store %v1 to @out[%i]
      }
    }
  }
}
// narrowed: ['w']
