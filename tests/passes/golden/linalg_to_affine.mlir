// linalg-to-affine
// Padding and a transposition are index arithmetic, not copies.
#at = affine_map<(d0, d1) -> (d0, d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>
func.func @main(%x: tensor<2x3xf32>) -> tensor<5x2xf32> {
  %one = arith.constant 1.0 : f32
  %padded = tensor.pad %x low[0, 1] high[0, 1] {
    ^bb0(%i: index, %j: index):
      tensor.yield %one : f32
    } : tensor<2x3xf32> to tensor<2x5xf32>
  %empty = tensor.empty() : tensor<5x2xf32>
  %r = linalg.generic {indexing_maps = [#turned, #at], iterator_types = ["parallel", "parallel"]}
      ins(%padded : tensor<2x5xf32>) outs(%empty : tensor<5x2xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %double = arith.addf %a, %a : f32
      linalg.yield %double : f32
    } -> tensor<5x2xf32>
  return %r : tensor<5x2xf32>
}
// ----- after
module {
  func.func @main(%x: memref<2x3xf32>, %out: memref<5x2xf32>) {
    affine.for %n0_i0 = 0 to 5 {
      affine.for %n0_i1 = 0 to 2 {
        %n0_v0 = affine.if affine_set<(d0) : (d0 + -1 >= 0, d0 * -1 + 3 >= 0)>(%n0_i0) -> f32 {
          %n0_v0_in = affine.load %x[%n0_i1, %n0_i0 + -1] : memref<2x3xf32>
          affine.yield %n0_v0_in : f32
        } else {
          %n0_v0_out = arith.constant 0x3F800000 : f32
          affine.yield %n0_v0_out : f32
        }
        %n0_v1 = arith.addf %n0_v0, %n0_v0 : f32
        affine.store %n0_v1, %out[%n0_i0, %n0_i1] : memref<5x2xf32>
      }
    }
    return
  }
}
