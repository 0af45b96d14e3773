// fold-initial-values
func.func @main(%x: tensor<3x4xf32>, %w: tensor<4x2xf32>, %b: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<3x2xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<3x2xf32>) -> tensor<3x2xf32>
  %product = linalg.matmul ins(%x, %w : tensor<3x4xf32>, tensor<4x2xf32>) outs(%start : tensor<3x2xf32>) -> tensor<3x2xf32>
  %sum = linalg.add ins(%product, %b : tensor<3x2xf32>, tensor<3x2xf32>) outs(%empty : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %sum : tensor<3x2xf32>
}
// ----- before
module {
  func.func @main(%x: memref<3x4xf32>, %w: memref<4x2xf32>, %b: memref<3x2xf32>, %out: memref<3x2xf32>) {
    %n0_acc2_state = memref.alloca() : memref<f32>
    affine.for %n0_i0 = 0 to 3 {
      affine.for %n0_i1 = 0 to 2 {
        affine.for %n0_i2 = 0 to 4 {
          %n0_c5 = arith.constant 0x00000000 : f32
          %n0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%n0_i2) -> f32 {
            affine.yield %n0_c5 : f32
          } else {
            %n0_acc2_old = affine.load %n0_acc2_state[] : memref<f32>
            affine.yield %n0_acc2_old : f32
          }
          %n0_v0 = affine.load %x[%n0_i0, %n0_i2] : memref<3x4xf32>
          %n0_v1 = affine.load %w[%n0_i2, %n0_i1] : memref<4x2xf32>
          %n0_v3 = arith.mulf %n0_v0, %n0_v1 : f32
          %n0_v4 = arith.addf %n0_acc2, %n0_v3 : f32
          affine.store %n0_v4, %n0_acc2_state[] : memref<f32>
          affine.if affine_set<(d0) : (d0 + -3 == 0)>(%n0_i2) {
            %n0_n1_v1 = affine.load %b[%n0_i0, %n0_i1] : memref<3x2xf32>
            %n0_n1_v2 = arith.addf %n0_v4, %n0_n1_v1 : f32
            affine.store %n0_n1_v2, %out[%n0_i0, %n0_i1] : memref<3x2xf32>
          }
        }
      }
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<3x4xf32>, %w: memref<4x2xf32>, %b: memref<3x2xf32>, %out: memref<3x2xf32>) {
    %n0_acc2_state = memref.alloca() : memref<f32>
    affine.for %n0_i0 = 0 to 3 {
      affine.for %n0_i1 = 0 to 2 {
        affine.for %n0_i2 = 0 to 4 {
          %n0_n1_v1 = affine.load %b[%n0_i0, %n0_i1] : memref<3x2xf32>
          %n0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%n0_i2) -> f32 {
            affine.yield %n0_n1_v1 : f32
          } else {
            %n0_acc2_old = affine.load %n0_acc2_state[] : memref<f32>
            affine.yield %n0_acc2_old : f32
          }
          %n0_v0 = affine.load %x[%n0_i0, %n0_i2] : memref<3x4xf32>
          %n0_v1 = affine.load %w[%n0_i2, %n0_i1] : memref<4x2xf32>
          %n0_v3 = arith.mulf %n0_v0, %n0_v1 : f32
          %n0_v4 = arith.addf %n0_acc2, %n0_v3 : f32
          %n0_c5 = arith.constant 0x00000000 : f32
          affine.store %n0_v4, %n0_acc2_state[] : memref<f32>
          affine.if affine_set<(d0) : (d0 + -3 == 0)>(%n0_i2) {
            affine.store %n0_v4, %out[%n0_i0, %n0_i1] : memref<3x2xf32>
          }
        }
      }
    }
    return
  }
}
// rounding: ['n0']
