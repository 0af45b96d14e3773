// choose-lanes --partition 2
// Seven elements in four lanes: the eighth is computed and not stored.
func.func @main(%x: tensor<7xf32>, %y: tensor<7xf32>) -> tensor<7xf32> {
  %empty = tensor.empty() : tensor<7xf32>
  %product = linalg.mul ins(%x, %y : tensor<7xf32>, tensor<7xf32>) outs(%empty : tensor<7xf32>) -> tensor<7xf32>
  return %product : tensor<7xf32>
}
// ----- before
module {
  func.func @main(%x: memref<7xf32>, %y: memref<7xf32>, %out: memref<7xf32>) {
    affine.for %map0_i0 = 0 to 7 {
      %map0_v0 = affine.load %x[%map0_i0] : memref<7xf32>
      %map0_v1 = affine.load %y[%map0_i0] : memref<7xf32>
      %map0_v2 = arith.mulf %map0_v0, %map0_v1 : f32
      affine.store %map0_v2, %out[%map0_i0] : memref<7xf32>
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<7xf32>, %y: memref<7xf32>, %out: memref<7xf32>) {
    affine.for %map0_i0l = 0 to 2 {
      %map0_v0_0 = affine.load %x[%map0_i0l * 4] : memref<7xf32>
      %map0_v1_0 = affine.load %y[%map0_i0l * 4] : memref<7xf32>
      %map0_v2_0 = arith.mulf %map0_v0_0, %map0_v1_0 : f32
      %map0_v0_1 = affine.load %x[%map0_i0l * 4 + 1] : memref<7xf32>
      %map0_v1_1 = affine.load %y[%map0_i0l * 4 + 1] : memref<7xf32>
      %map0_v2_1 = arith.mulf %map0_v0_1, %map0_v1_1 : f32
      %map0_v0_2 = affine.load %x[%map0_i0l * 4 + 2] : memref<7xf32>
      %map0_v1_2 = affine.load %y[%map0_i0l * 4 + 2] : memref<7xf32>
      %map0_v2_2 = arith.mulf %map0_v0_2, %map0_v1_2 : f32
      %map0_v0_3 = affine.if affine_set<(d0) : (d0 * -4 + 3 >= 0)>(%map0_i0l) -> f32 {
        %map0_v0_3_in = affine.load %x[%map0_i0l * 4 + 3] : memref<7xf32>
        affine.yield %map0_v0_3_in : f32
      } else {
        %map0_v0_3_out = arith.constant 0x00000000 : f32
        affine.yield %map0_v0_3_out : f32
      }
      %map0_v1_3 = affine.if affine_set<(d0) : (d0 * -4 + 3 >= 0)>(%map0_i0l) -> f32 {
        %map0_v1_3_in = affine.load %y[%map0_i0l * 4 + 3] : memref<7xf32>
        affine.yield %map0_v1_3_in : f32
      } else {
        %map0_v1_3_out = arith.constant 0x00000000 : f32
        affine.yield %map0_v1_3_out : f32
      }
      %map0_v2_3 = arith.mulf %map0_v0_3, %map0_v1_3 : f32
      affine.store %map0_v2_0, %out[%map0_i0l * 4] : memref<7xf32>
      affine.store %map0_v2_1, %out[%map0_i0l * 4 + 1] : memref<7xf32>
      affine.store %map0_v2_2, %out[%map0_i0l * 4 + 2] : memref<7xf32>
      affine.if affine_set<(d0) : (d0 * -4 + 3 >= 0)>(%map0_i0l) {
        affine.store %map0_v2_3, %out[%map0_i0l * 4 + 3] : memref<7xf32>
      }
    }
    return
  }
}
// map0: i0 ×4: about 16 cycles
