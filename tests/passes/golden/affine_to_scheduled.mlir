// affine-to-scheduled
func.func @main(%x: tensor<3x4xf32>, %w: tensor<4x2xf32>) -> tensor<3x2xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<3x2xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<3x2xf32>) -> tensor<3x2xf32>
  %product = linalg.matmul ins(%x, %w : tensor<3x4xf32>, tensor<4x2xf32>) outs(%start : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %product : tensor<3x2xf32>
}
// ----- before
module {
  func.func @main(%x: memref<3x4xf32>, %w: memref<4x2xf32>, %out: memref<3x2xf32>) {
    %matmul0_acc2_state = memref.alloca() : memref<3x2xf32>
    affine.for %matmul0_i2 = 0 to 4 {
      affine.for %matmul0_i0 = 0 to 3 {
        affine.for %matmul0_i1 = 0 to 2 {
          %matmul0_c5 = arith.constant 0x00000000 : f32
          %matmul0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2) -> f32 {
            affine.yield %matmul0_c5 : f32
          } else {
            %matmul0_acc2_old = affine.load %matmul0_acc2_state[%matmul0_i0, %matmul0_i1] : memref<3x2xf32>
            affine.yield %matmul0_acc2_old : f32
          }
          %matmul0_v0 = affine.load %x[%matmul0_i0, %matmul0_i2] : memref<3x4xf32>
          %matmul0_v1 = affine.load %w[%matmul0_i2, %matmul0_i1] : memref<4x2xf32>
          %matmul0_v3 = arith.mulf %matmul0_v0, %matmul0_v1 : f32
          %matmul0_v4 = arith.addf %matmul0_acc2, %matmul0_v3 : f32
          affine.store %matmul0_v4, %matmul0_acc2_state[%matmul0_i0, %matmul0_i1] : memref<3x2xf32>
          affine.if affine_set<(d0) : (d0 + -3 == 0)>(%matmul0_i2) {
            affine.store %matmul0_v4, %out[%matmul0_i0, %matmul0_i1] : memref<3x2xf32>
          }
        }
      }
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<3x4xf32>, %w: memref<4x2xf32>, %out: memref<3x2xf32>) attributes {schedule = {matmul0 = {start = 0 : i64, interval = 1 : i64, depth = 13 : i64}}} {
    %matmul0_acc2_state = memref.alloca() : memref<3x2xf32>
    affine.for %matmul0_i2 = 0 to 4 {
      affine.for %matmul0_i0 = 0 to 3 {
        affine.for %matmul0_i1 = 0 to 2 {
          %matmul0_c5 = arith.constant 0x00000000 : f32
          %matmul0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2) -> f32 {
            affine.yield %matmul0_c5 : f32
          } else {
            %matmul0_acc2_old = affine.load %matmul0_acc2_state[%matmul0_i0, %matmul0_i1] : memref<3x2xf32>
            affine.yield %matmul0_acc2_old : f32
          }
          %matmul0_v0 = affine.load %x[%matmul0_i0, %matmul0_i2] : memref<3x4xf32>
          %matmul0_v1 = affine.load %w[%matmul0_i2, %matmul0_i1] : memref<4x2xf32>
          %matmul0_v3 = arith.mulf %matmul0_v0, %matmul0_v1 {cycle = 2 : i64} : f32
          %matmul0_v4 = arith.addf %matmul0_acc2, %matmul0_v3 {cycle = 6 : i64} : f32
          affine.store %matmul0_v4, %matmul0_acc2_state[%matmul0_i0, %matmul0_i1] : memref<3x2xf32>
          affine.if affine_set<(d0) : (d0 + -3 == 0)>(%matmul0_i2) {
            affine.store %matmul0_v4, %out[%matmul0_i0, %matmul0_i1] : memref<3x2xf32>
          }
        }
      }
    }
    return
  }
}
