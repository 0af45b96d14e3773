// affine-to-scf
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
  func.func @main(%arg0: memref<3x4xf32>, %arg1: memref<4x2xf32>, %arg2: memref<3x2xf32>) attributes {schedule = {matmul0 = {depth = 13 : i64, interval = 1 : i64, start = 0 : i64}}} {
    %alloca = memref.alloca() : memref<3x2xf32>
    %c0 = arith.constant 0 : index
    %c4 = arith.constant 4 : index
    %c1 = arith.constant 1 : index
    scf.for %arg3 = %c0 to %c4 step %c1 {
      %c0_0 = arith.constant 0 : index
      %c3 = arith.constant 3 : index
      %c1_1 = arith.constant 1 : index
      scf.for %arg4 = %c0_0 to %c3 step %c1_1 {
        %c0_2 = arith.constant 0 : index
        %c2 = arith.constant 2 : index
        %c1_3 = arith.constant 1 : index
        scf.for %arg5 = %c0_2 to %c2 step %c1_3 {
          %cst = arith.constant 0.000000e+00 : f32
          %c0_4 = arith.constant 0 : index
          %0 = arith.cmpi eq, %arg3, %c0_4 : index
          %1 = scf.if %0 -> (f32) {
            scf.yield %cst : f32
          } else {
            %8 = memref.load %alloca[%arg4, %arg5] : memref<3x2xf32>
            scf.yield %8 : f32
          }
          %2 = memref.load %arg0[%arg4, %arg3] : memref<3x4xf32>
          %3 = memref.load %arg1[%arg3, %arg5] : memref<4x2xf32>
          %4 = arith.mulf %2, %3 {cycle = 2 : i64} : f32
          %5 = arith.addf %1, %4 {cycle = 6 : i64} : f32
          memref.store %5, %alloca[%arg4, %arg5] : memref<3x2xf32>
          %c0_5 = arith.constant 0 : index
          %c-3 = arith.constant -3 : index
          %6 = arith.addi %arg3, %c-3 : index
          %7 = arith.cmpi eq, %6, %c0_5 : index
          scf.if %7 {
            memref.store %5, %arg2[%arg4, %arg5] : memref<3x2xf32>
          }
        }
      }
    }
    return
  }
}
