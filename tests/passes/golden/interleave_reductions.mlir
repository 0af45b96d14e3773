// interleave-reductions
// Rows in parts as long as the adder's latency; what sticks out of the last part is not computed.
func.func @main(%x: tensor<997x4xf32>, %w: tensor<4x1xf32>) -> tensor<997x1xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<997x1xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<997x1xf32>) -> tensor<997x1xf32>
  %product = linalg.matmul ins(%x, %w : tensor<997x4xf32>, tensor<4x1xf32>) outs(%start : tensor<997x1xf32>) -> tensor<997x1xf32>
  return %product : tensor<997x1xf32>
}
// ----- before
module {
  func.func @main(%x: memref<997x4xf32>, %w: memref<4x1xf32>, %out: memref<997x1xf32>) {
    %matmul0_acc2_state = memref.alloca() : memref<f32>
    affine.for %matmul0_i0 = 0 to 997 {
      affine.for %matmul0_i2 = 0 to 4 {
        %matmul0_c5 = arith.constant 0x00000000 : f32
        %matmul0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2) -> f32 {
          affine.yield %matmul0_c5 : f32
        } else {
          %matmul0_acc2_old = affine.load %matmul0_acc2_state[] : memref<f32>
          affine.yield %matmul0_acc2_old : f32
        }
        %matmul0_v0 = affine.load %x[%matmul0_i0, %matmul0_i2] : memref<997x4xf32>
        %matmul0_v1 = affine.load %w[%matmul0_i2, 0] : memref<4x1xf32>
        %matmul0_v3 = arith.mulf %matmul0_v0, %matmul0_v1 : f32
        %matmul0_v4 = arith.addf %matmul0_acc2, %matmul0_v3 : f32
        affine.store %matmul0_v4, %matmul0_acc2_state[] : memref<f32>
        affine.if affine_set<(d0) : (d0 + -3 == 0)>(%matmul0_i2) {
          affine.store %matmul0_v4, %out[%matmul0_i0, 0] : memref<997x1xf32>
        }
      }
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<997x4xf32>, %w: memref<4x1xf32>, %out: memref<997x1xf32>) {
    %matmul0_acc2_state = memref.alloca() : memref<9xf32>
    affine.for %matmul0_i0o = 0 to 111 {
      affine.for %matmul0_i2 = 0 to 4 {
        affine.for %matmul0_i0i = 0 to 9 {
          affine.if affine_set<(d0, d1) : (d0 * -1 + d1 * -9 + 996 >= 0)>(%matmul0_i0i, %matmul0_i0o) {
            %matmul0_c5 = arith.constant 0x00000000 : f32
            %matmul0_acc2 = affine.if affine_set<(d0) : (d0 == 0)>(%matmul0_i2) -> f32 {
              affine.yield %matmul0_c5 : f32
            } else {
              %matmul0_acc2_old = affine.load %matmul0_acc2_state[%matmul0_i0i] : memref<9xf32>
              affine.yield %matmul0_acc2_old : f32
            }
            %matmul0_v0 = affine.load %x[%matmul0_i0i + %matmul0_i0o * 9, %matmul0_i2] : memref<997x4xf32>
            %matmul0_v1 = affine.load %w[%matmul0_i2, 0] : memref<4x1xf32>
            %matmul0_v3 = arith.mulf %matmul0_v0, %matmul0_v1 : f32
            %matmul0_v4 = arith.addf %matmul0_acc2, %matmul0_v3 : f32
            affine.store %matmul0_v4, %matmul0_acc2_state[%matmul0_i0i] : memref<9xf32>
            affine.if affine_set<(d0) : (d0 + -3 == 0)>(%matmul0_i2) {
              affine.store %matmul0_v4, %out[%matmul0_i0i + %matmul0_i0o * 9, 0] : memref<997x1xf32>
            }
          }
        }
      }
    }
    return
  }
}
