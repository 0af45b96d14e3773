// choose-lanes --partition 2
// Seven elements in four lanes: the eighth is computed and not stored.
program @top level affine {
  buffer @x: 7xf32 input
  buffer @y: 7xf32 input
  buffer @out: 7xf32 output
  function @top(@x, @y) -> (@out) {
    kernel @map0(%i0: 7) {
      stage 0 {
        %v0 = load @x[%i0] : f32
        %v1 = load @y[%i0] : f32
        %v2 = arith.mulf %v0, %v1 : f32
        store %v2 to @out[%i0]
      }
    }
  }
}
// ----- after
program @top level affine {
  buffer @x: 7xf32 input
  buffer @y: 7xf32 input
  buffer @out: 7xf32 output
  function @top(@x, @y) -> (@out) {
    kernel @map0(%i0l: 2) lanes 4 {
      stage 0 {
        %v0_0 = load @x[%i0l * 4] : f32
        %v1_0 = load @y[%i0l * 4] : f32
        %v2_0 = arith.mulf %v0_0, %v1_0 : f32
        %v0_1 = load @x[%i0l * 4 + 1] : f32
        %v1_1 = load @y[%i0l * 4 + 1] : f32
        %v2_1 = arith.mulf %v0_1, %v1_1 : f32
        %v0_2 = load @x[%i0l * 4 + 2] : f32
        %v1_2 = load @y[%i0l * 4 + 2] : f32
        %v2_2 = arith.mulf %v0_2, %v1_2 : f32
        %v0_3 = load @x[%i0l * 4 + 3] : f32
        %v1_3 = load @y[%i0l * 4 + 3] : f32
        %v2_3 = arith.mulf %v0_3, %v1_3 : f32
        store %v2_0 to @out[%i0l * 4]
        store %v2_1 to @out[%i0l * 4 + 1]
        store %v2_2 to @out[%i0l * 4 + 2]
        store %v2_3 to @out[%i0l * 4 + 3] where (%i0l * -4 + 3)
      }
    }
  }
}
// map0: i0 ×4: about 16 cycles
