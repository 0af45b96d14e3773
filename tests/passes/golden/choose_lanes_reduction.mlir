// choose-lanes --partition 2
// One output: lanes of the sum itself, and a tree.
func.func @main(%x: tensor<1x8xf32>, %w: tensor<8x1xf32>) -> tensor<1x1xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x1xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x1xf32>) -> tensor<1x1xf32>
  %product = linalg.matmul ins(%x, %w : tensor<1x8xf32>, tensor<8x1xf32>) outs(%start : tensor<1x1xf32>) -> tensor<1x1xf32>
  return %product : tensor<1x1xf32>
}
// ----- before
module {
  func.func @main(%x: memref<1x8xf32>, %w: memref<8x1xf32>, %out: memref<1x1xf32>) {
    %matmul0_acc2_state = memref.alloca() : memref<f32>
    affine.for %matmul0_i2 = 0 to 8 {
      %matmul0_c5 = arith.constant 0x00000000 : f32
      %matmul0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2) -> f32 {
        affine.yield %matmul0_c5 : f32
      } else {
        %matmul0_acc2_old = affine.load %matmul0_acc2_state[] : memref<f32>
        affine.yield %matmul0_acc2_old : f32
      }
      %matmul0_v0 = affine.load %x[0, %matmul0_i2] : memref<1x8xf32>
      %matmul0_v1 = affine.load %w[%matmul0_i2, 0] : memref<8x1xf32>
      %matmul0_v3 = arith.mulf %matmul0_v0, %matmul0_v1 : f32
      %matmul0_v4 = arith.addf %matmul0_acc2, %matmul0_v3 : f32
      affine.store %matmul0_v4, %matmul0_acc2_state[] : memref<f32>
      affine.if affine_set<(d0) : (d0 + -7 == 0)>(%matmul0_i2) {
        affine.store %matmul0_v4, %out[0, 0] : memref<1x1xf32>
      }
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<1x8xf32>, %w: memref<8x1xf32>, %out: memref<1x1xf32>) {
    %matmul0_acc2_state = memref.alloca() : memref<f32>
    affine.for %matmul0_i2l = 0 to 2 {
      %matmul0_c5r0 = arith.constant 0x00000000 : f32
      %matmul0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2l) -> f32 {
        affine.yield %matmul0_c5r0 : f32
      } else {
        %matmul0_acc2_old = affine.load %matmul0_acc2_state[] : memref<f32>
        affine.yield %matmul0_acc2_old : f32
      }
      %matmul0_v0r0 = affine.load %x[0, %matmul0_i2l * 4] : memref<1x8xf32>
      %matmul0_v1r0 = affine.load %w[%matmul0_i2l * 4, 0] : memref<8x1xf32>
      %matmul0_v3r0 = arith.mulf %matmul0_v0r0, %matmul0_v1r0 : f32
      %matmul0_v0r1 = affine.load %x[0, %matmul0_i2l * 4 + 1] : memref<1x8xf32>
      %matmul0_v1r1 = affine.load %w[%matmul0_i2l * 4 + 1, 0] : memref<8x1xf32>
      %matmul0_v3r1 = arith.mulf %matmul0_v0r1, %matmul0_v1r1 : f32
      %matmul0_v0r2 = affine.load %x[0, %matmul0_i2l * 4 + 2] : memref<1x8xf32>
      %matmul0_v1r2 = affine.load %w[%matmul0_i2l * 4 + 2, 0] : memref<8x1xf32>
      %matmul0_v3r2 = arith.mulf %matmul0_v0r2, %matmul0_v1r2 : f32
      %matmul0_v0r3 = affine.load %x[0, %matmul0_i2l * 4 + 3] : memref<1x8xf32>
      %matmul0_v1r3 = affine.load %w[%matmul0_i2l * 4 + 3, 0] : memref<8x1xf32>
      %matmul0_v3r3 = arith.mulf %matmul0_v0r3, %matmul0_v1r3 : f32
      %matmul0_v4t0_0 = arith.addf %matmul0_v3r0, %matmul0_v3r1 : f32
      %matmul0_v4t0_1 = arith.addf %matmul0_v3r2, %matmul0_v3r3 : f32
      %matmul0_v4t1_0 = arith.addf %matmul0_v4t0_0, %matmul0_v4t0_1 : f32
      %matmul0_v4 = arith.addf %matmul0_acc2, %matmul0_v4t1_0 : f32
      affine.store %matmul0_v4, %matmul0_acc2_state[] : memref<f32>
      affine.if affine_set<(d0) : (d0 + -1 == 0)>(%matmul0_i2l) {
        affine.store %matmul0_v4, %out[0, 0] : memref<1x1xf32>
      }
    }
    return
  }
}
// matmul0: i2 ×4: about 38 cycles
// rounding: ['matmul0']
