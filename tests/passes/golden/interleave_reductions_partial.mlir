// interleave-reductions
// One output, too few for the adder's latency: partial sums.
#all = affine_map<(d0) -> (d0)>
#none = affine_map<(d0) -> ()>
func.func @main(%x: tensor<96xf32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<f32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<f32>) -> tensor<f32>
  %sum = linalg.generic {indexing_maps = [#all, #none], iterator_types = ["reduction"]}
      ins(%x : tensor<96xf32>) outs(%start : tensor<f32>) {
    ^bb0(%a: f32, %acc: f32):
      %next = arith.addf %acc, %a : f32
      linalg.yield %next : f32
    } -> tensor<f32>
  return %sum : tensor<f32>
}
// ----- before
module {
  func.func @main(%x: memref<96xf32>, %out: memref<f32>) {
    %sum0_acc1_state = memref.alloca() : memref<f32>
    affine.for %sum0_i0 = 0 to 96 {
      %sum0_c3 = arith.constant 0x00000000 : f32
      %sum0_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%sum0_i0) -> f32 {
        affine.yield %sum0_c3 : f32
      } else {
        %sum0_acc1_old = affine.load %sum0_acc1_state[] : memref<f32>
        affine.yield %sum0_acc1_old : f32
      }
      %sum0_v0 = affine.load %x[%sum0_i0] : memref<96xf32>
      %sum0_v2 = arith.addf %sum0_acc1, %sum0_v0 : f32
      affine.store %sum0_v2, %sum0_acc1_state[] : memref<f32>
      affine.if affine_set<(d0) : (d0 + -95 == 0)>(%sum0_i0) {
        affine.store %sum0_v2, %out[] : memref<f32>
      }
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<96xf32>, %out: memref<f32>) {
    %sum0_partial = memref.alloc() : memref<6xf32>
    %sum0_partial_acc1_state = memref.alloca() : memref<6xf32>
    affine.for %sum0_partial_i0o = 0 to 16 {
      affine.for %sum0_partial_i0i = 0 to 6 {
        %sum0_partial_acc1_zero = arith.constant 0x00000000 : f32
        %sum0_partial_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%sum0_partial_i0o) -> f32 {
          affine.yield %sum0_partial_acc1_zero : f32
        } else {
          %sum0_partial_acc1_old = affine.load %sum0_partial_acc1_state[%sum0_partial_i0i] : memref<6xf32>
          affine.yield %sum0_partial_acc1_old : f32
        }
        %sum0_partial_v0 = affine.load %x[%sum0_partial_i0i + %sum0_partial_i0o * 6] : memref<96xf32>
        %sum0_partial_v2 = arith.addf %sum0_partial_acc1, %sum0_partial_v0 : f32
        affine.store %sum0_partial_v2, %sum0_partial_acc1_state[%sum0_partial_i0i] : memref<6xf32>
        affine.if affine_set<(d0) : (d0 + -15 == 0)>(%sum0_partial_i0o) {
          affine.store %sum0_partial_v2, %sum0_partial[%sum0_partial_i0i] : memref<6xf32>
        }
      }
    }
    %sum0_acc1_state = memref.alloca() : memref<f32>
    affine.for %sum0_i0i = 0 to 6 {
      %sum0_c3 = arith.constant 0x00000000 : f32
      %sum0_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%sum0_i0i) -> f32 {
        affine.yield %sum0_c3 : f32
      } else {
        %sum0_acc1_old = affine.load %sum0_acc1_state[] : memref<f32>
        affine.yield %sum0_acc1_old : f32
      }
      %sum0_acc1_term = affine.load %sum0_partial[%sum0_i0i] : memref<6xf32>
      %sum0_v2_total = arith.addf %sum0_acc1, %sum0_acc1_term : f32
      affine.store %sum0_v2_total, %sum0_acc1_state[] : memref<f32>
      affine.if affine_set<(d0) : (d0 + -5 == 0)>(%sum0_i0i) {
        affine.store %sum0_v2_total, %out[] : memref<f32>
      }
    }
    memref.dealloc %sum0_partial : memref<6xf32>
    return
  }
}
// rounding: ['sum0']
