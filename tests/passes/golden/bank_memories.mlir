// bank-memories --partition 2
func.func @main(%x: tensor<6x4xf32>, %w: tensor<4x2xf32>) -> tensor<6x2xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<6x2xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<6x2xf32>) -> tensor<6x2xf32>
  %product = linalg.matmul ins(%x, %w : tensor<6x4xf32>, tensor<4x2xf32>) outs(%start : tensor<6x2xf32>) -> tensor<6x2xf32>
  return %product : tensor<6x2xf32>
}
// ----- before
module {
  func.func @main(%x: memref<6x4xf32>, %w: memref<4x2xf32>, %out: memref<6x2xf32>) {
    %matmul0_acc2_0_state = memref.alloca() : memref<6xf32>
    %matmul0_acc2_1_state = memref.alloca() : memref<6xf32>
    affine.for %matmul0_i2l = 0 to 2 {
      affine.for %matmul0_i0 = 0 to 6 {
        %matmul0_c5_0r0 = arith.constant 0x00000000 : f32
        %matmul0_acc2_0 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2l) -> f32 {
          affine.yield %matmul0_c5_0r0 : f32
        } else {
          %matmul0_acc2_0_old = affine.load %matmul0_acc2_0_state[%matmul0_i0] : memref<6xf32>
          affine.yield %matmul0_acc2_0_old : f32
        }
        %matmul0_acc2_1 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2l) -> f32 {
          affine.yield %matmul0_c5_0r0 : f32
        } else {
          %matmul0_acc2_1_old = affine.load %matmul0_acc2_1_state[%matmul0_i0] : memref<6xf32>
          affine.yield %matmul0_acc2_1_old : f32
        }
        %matmul0_v0_0r0 = affine.load %x[%matmul0_i0, %matmul0_i2l * 2] : memref<6x4xf32>
        %matmul0_v1_0r0 = affine.load %w[%matmul0_i2l * 2, 0] : memref<4x2xf32>
        %matmul0_v3_0r0 = arith.mulf %matmul0_v0_0r0, %matmul0_v1_0r0 : f32
        %matmul0_v0_0r1 = affine.load %x[%matmul0_i0, %matmul0_i2l * 2 + 1] : memref<6x4xf32>
        %matmul0_v1_0r1 = affine.load %w[%matmul0_i2l * 2 + 1, 0] : memref<4x2xf32>
        %matmul0_v3_0r1 = arith.mulf %matmul0_v0_0r1, %matmul0_v1_0r1 : f32
        %matmul0_v4_0t0_0 = arith.addf %matmul0_v3_0r0, %matmul0_v3_0r1 : f32
        %matmul0_v4_0 = arith.addf %matmul0_acc2_0, %matmul0_v4_0t0_0 : f32
        %matmul0_v1_1r0 = affine.load %w[%matmul0_i2l * 2, 1] : memref<4x2xf32>
        %matmul0_v3_1r0 = arith.mulf %matmul0_v0_0r0, %matmul0_v1_1r0 : f32
        %matmul0_v1_1r1 = affine.load %w[%matmul0_i2l * 2 + 1, 1] : memref<4x2xf32>
        %matmul0_v3_1r1 = arith.mulf %matmul0_v0_0r1, %matmul0_v1_1r1 : f32
        %matmul0_v4_1t0_0 = arith.addf %matmul0_v3_1r0, %matmul0_v3_1r1 : f32
        %matmul0_v4_1 = arith.addf %matmul0_acc2_1, %matmul0_v4_1t0_0 : f32
        affine.store %matmul0_v4_0, %matmul0_acc2_0_state[%matmul0_i0] : memref<6xf32>
        affine.store %matmul0_v4_1, %matmul0_acc2_1_state[%matmul0_i0] : memref<6xf32>
        affine.if affine_set<(d0) : (d0 + -1 == 0)>(%matmul0_i2l) {
          affine.store %matmul0_v4_0, %out[%matmul0_i0, 0] : memref<6x2xf32>
          affine.store %matmul0_v4_1, %out[%matmul0_i0, 1] : memref<6x2xf32>
        }
      }
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<2x6x2xf32>, %w: memref<2x2x2x1xf32>, %out: memref<2x6x1xf32>) {
    %matmul0_acc2_0_state = memref.alloca() : memref<6xf32>
    %matmul0_acc2_1_state = memref.alloca() : memref<6xf32>
    affine.for %matmul0_i2l = 0 to 2 {
      affine.for %matmul0_i0 = 0 to 6 {
        %matmul0_c5_0r0 = arith.constant 0x00000000 : f32
        %matmul0_acc2_0 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2l) -> f32 {
          affine.yield %matmul0_c5_0r0 : f32
        } else {
          %matmul0_acc2_0_old = affine.load %matmul0_acc2_0_state[%matmul0_i0] : memref<6xf32>
          affine.yield %matmul0_acc2_0_old : f32
        }
        %matmul0_acc2_1 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2l) -> f32 {
          affine.yield %matmul0_c5_0r0 : f32
        } else {
          %matmul0_acc2_1_old = affine.load %matmul0_acc2_1_state[%matmul0_i0] : memref<6xf32>
          affine.yield %matmul0_acc2_1_old : f32
        }
        %matmul0_v0_0r0 = affine.load %x[0, %matmul0_i0, %matmul0_i2l] : memref<2x6x2xf32>
        %matmul0_v1_0r0 = affine.load %w[0, 0, %matmul0_i2l, 0] : memref<2x2x2x1xf32>
        %matmul0_v3_0r0 = arith.mulf %matmul0_v0_0r0, %matmul0_v1_0r0 : f32
        %matmul0_v0_0r1 = affine.load %x[1, %matmul0_i0, %matmul0_i2l] : memref<2x6x2xf32>
        %matmul0_v1_0r1 = affine.load %w[1, 0, %matmul0_i2l, 0] : memref<2x2x2x1xf32>
        %matmul0_v3_0r1 = arith.mulf %matmul0_v0_0r1, %matmul0_v1_0r1 : f32
        %matmul0_v4_0t0_0 = arith.addf %matmul0_v3_0r0, %matmul0_v3_0r1 : f32
        %matmul0_v4_0 = arith.addf %matmul0_acc2_0, %matmul0_v4_0t0_0 : f32
        %matmul0_v1_1r0 = affine.load %w[0, 1, %matmul0_i2l, 0] : memref<2x2x2x1xf32>
        %matmul0_v3_1r0 = arith.mulf %matmul0_v0_0r0, %matmul0_v1_1r0 : f32
        %matmul0_v1_1r1 = affine.load %w[1, 1, %matmul0_i2l, 0] : memref<2x2x2x1xf32>
        %matmul0_v3_1r1 = arith.mulf %matmul0_v0_0r1, %matmul0_v1_1r1 : f32
        %matmul0_v4_1t0_0 = arith.addf %matmul0_v3_1r0, %matmul0_v3_1r1 : f32
        %matmul0_v4_1 = arith.addf %matmul0_acc2_1, %matmul0_v4_1t0_0 : f32
        affine.store %matmul0_v4_0, %matmul0_acc2_0_state[%matmul0_i0] : memref<6xf32>
        affine.store %matmul0_v4_1, %matmul0_acc2_1_state[%matmul0_i0] : memref<6xf32>
        affine.if affine_set<(d0) : (d0 + -1 == 0)>(%matmul0_i2l) {
          affine.store %matmul0_v4_0, %out[0, %matmul0_i0, 0] : memref<2x6x1xf32>
          affine.store %matmul0_v4_1, %out[1, %matmul0_i0, 0] : memref<2x6x1xf32>
        }
      }
    }
    return
  }
}
// x: [1, 2]
// w: [2, 2]
// out: [1, 2]
