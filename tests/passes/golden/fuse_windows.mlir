// fuse-windows
// Sums over pairs of what a reduction makes; the fifteenth row has no partner and is not computed.
#rows = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#pair = affine_map<(d0, d1) -> (2 * d0 + d1)>
#size = affine_map<(d0, d1) -> (d1)>
func.func @main(%x: tensor<15x4xf32>) -> tensor<7xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<15xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<15xf32>) -> tensor<15xf32>
  %sums = linalg.generic {indexing_maps = [#rows, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<15x4xf32>) outs(%start : tensor<15xf32>) {
    ^bb0(%a: f32, %acc: f32):
      %next = arith.addf %acc, %a : f32
      linalg.yield %next : f32
    } -> tensor<15xf32>
  %few = tensor.empty() : tensor<7xf32>
  %window = tensor.empty() : tensor<2xf32>
  %low = arith.constant 0xFF800000 : f32
  %lowest = linalg.fill ins(%low : f32) outs(%few : tensor<7xf32>) -> tensor<7xf32>
  %pooled = linalg.generic {indexing_maps = [#pair, #size, #row], iterator_types = ["parallel", "reduction"]}
      ins(%sums, %window : tensor<15xf32>, tensor<2xf32>) outs(%lowest : tensor<7xf32>) {
    ^bb0(%a: f32, %unused: f32, %high: f32):
      %next = arith.maximumf %high, %a : f32
      linalg.yield %next : f32
    } -> tensor<7xf32>
  return %pooled : tensor<7xf32>
}
// ----- before
module {
  func.func @main(%x: memref<15x4xf32>, %out: memref<7xf32>) {
    %t0 = memref.alloc() : memref<15xf32>
    %n0_acc1_state = memref.alloca() : memref<f32>
    affine.for %n0_i0 = 0 to 15 {
      affine.for %n0_i1 = 0 to 4 {
        %n0_c3 = arith.constant 0x00000000 : f32
        %n0_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%n0_i1) -> f32 {
          affine.yield %n0_c3 : f32
        } else {
          %n0_acc1_old = affine.load %n0_acc1_state[] : memref<f32>
          affine.yield %n0_acc1_old : f32
        }
        %n0_v0 = affine.load %x[%n0_i0, %n0_i1] : memref<15x4xf32>
        %n0_v2 = arith.addf %n0_acc1, %n0_v0 : f32
        affine.store %n0_v2, %n0_acc1_state[] : memref<f32>
        affine.if affine_set<(d0) : (d0 + -3 == 0)>(%n0_i1) {
          affine.store %n0_v2, %t0[%n0_i0] : memref<15xf32>
        }
      }
    }
    %n1_acc1_state = memref.alloca() : memref<f32>
    affine.for %n1_i0 = 0 to 7 {
      affine.for %n1_i1 = 0 to 2 {
        %n1_c3 = arith.constant 0xFF800000 : f32
        %n1_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%n1_i1) -> f32 {
          affine.yield %n1_c3 : f32
        } else {
          %n1_acc1_old = affine.load %n1_acc1_state[] : memref<f32>
          affine.yield %n1_acc1_old : f32
        }
        %n1_v0 = affine.load %t0[%n1_i0 * 2 + %n1_i1] : memref<15xf32>
        %n1_v2 = arith.maximumf %n1_acc1, %n1_v0 : f32
        affine.store %n1_v2, %n1_acc1_state[] : memref<f32>
        affine.if affine_set<(d0) : (d0 + -1 == 0)>(%n1_i1) {
          affine.store %n1_v2, %out[%n1_i0] : memref<7xf32>
        }
      }
    }
    memref.dealloc %t0 : memref<15xf32>
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<15x4xf32>, %out: memref<7xf32>) {
    %n1_n0_acc1_state = memref.alloca() : memref<f32>
    %n1_acc1_state = memref.alloca() : memref<f32>
    affine.for %n1_i0 = 0 to 7 {
      affine.for %n1_i1 = 0 to 2 {
        affine.for %n1_n0_i1 = 0 to 4 {
          %n1_n0_c3 = arith.constant 0x00000000 : f32
          %n1_n0_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%n1_n0_i1) -> f32 {
            affine.yield %n1_n0_c3 : f32
          } else {
            %n1_n0_acc1_old = affine.load %n1_n0_acc1_state[] : memref<f32>
            affine.yield %n1_n0_acc1_old : f32
          }
          %n1_n0_v0 = affine.load %x[%n1_i0 * 2 + %n1_i1, %n1_n0_i1] : memref<15x4xf32>
          %n1_n0_v2 = arith.addf %n1_n0_acc1, %n1_n0_v0 : f32
          affine.store %n1_n0_v2, %n1_n0_acc1_state[] : memref<f32>
          affine.if affine_set<(d0) : (d0 + -3 == 0)>(%n1_n0_i1) {
            %n1_c3 = arith.constant 0xFF800000 : f32
            %n1_acc1 = affine.if affine_set<(d0) : (d0 == 0)>(%n1_i1) -> f32 {
              affine.yield %n1_c3 : f32
            } else {
              %n1_acc1_old = affine.load %n1_acc1_state[] : memref<f32>
              affine.yield %n1_acc1_old : f32
            }
            %n1_v2 = arith.maximumf %n1_acc1, %n1_n0_v2 : f32
            affine.store %n1_v2, %n1_acc1_state[] : memref<f32>
            affine.if affine_set<(d0) : (d0 + -1 == 0)>(%n1_i1) {
              affine.store %n1_v2, %out[%n1_i0] : memref<7xf32>
            }
          }
        }
      }
    }
    return
  }
}
// fused: ['n1 into n0']
