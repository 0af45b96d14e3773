// simplify-arithmetic
#at = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %three = arith.constant 3.0 : f32
  %four = arith.constant 4.0 : f32
  %empty = tensor.empty() : tensor<4xf32>
  %r = linalg.generic {indexing_maps = [#at, #at, #at], iterator_types = ["parallel"]}
      ins(%x, %y : tensor<4xf32>, tensor<4xf32>) outs(%empty : tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32, %unused: f32):
      %difference = arith.subf %a, %b : f32
      %third = arith.divf %difference, %three : f32
      %part = arith.divf %third, %four : f32
      linalg.yield %part : f32
    } -> tensor<4xf32>
  return %r : tensor<4xf32>
}
// ----- before
module {
  func.func @main(%x: memref<4xf32>, %y: memref<4xf32>, %out: memref<4xf32>) {
    affine.for %n0_i0 = 0 to 4 {
      %n0_v0 = affine.load %x[%n0_i0] : memref<4xf32>
      %n0_v1 = affine.load %y[%n0_i0] : memref<4xf32>
      %n0_v2 = arith.subf %n0_v0, %n0_v1 : f32
      %n0_c3 = arith.constant 0x40400000 : f32
      %n0_v4 = arith.divf %n0_v2, %n0_c3 : f32
      %n0_c5 = arith.constant 0x40800000 : f32
      %n0_v6 = arith.divf %n0_v4, %n0_c5 : f32
      affine.store %n0_v6, %out[%n0_i0] : memref<4xf32>
    }
    return
  }
}
// ----- after
module {
  func.func @main(%x: memref<4xf32>, %y: memref<4xf32>, %out: memref<4xf32>) {
    affine.for %n0_i0 = 0 to 4 {
      %n0_v0 = affine.load %x[%n0_i0] : memref<4xf32>
      %n0_v1 = affine.load %y[%n0_i0] : memref<4xf32>
      %n0_v2_neg = arith.negf %n0_v1 : f32
      %n0_v2 = arith.addf %n0_v0, %n0_v2_neg : f32
      %n0_c3 = arith.constant 0x40400000 : f32
      %n0_v4 = arith.divf %n0_v2, %n0_c3 : f32
      %n0_c5 = arith.constant 0x40800000 : f32
      %n0_v6_factor = arith.constant 0x3E800000 : f32
      %n0_v6 = arith.mulf %n0_v4, %n0_v6_factor : f32
      affine.store %n0_v6, %out[%n0_i0] : memref<4xf32>
    }
    return
  }
}
// simplified: ['n0']
