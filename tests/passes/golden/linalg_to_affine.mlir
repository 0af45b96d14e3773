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
program @top level affine {
  buffer @x: 2x3xf32 input
  buffer @out: 5x2xf32 output
  function @top(@x) -> (@out) {
    kernel @n0(%i0: 5, %i1: 2) {
      stage 0 {
        %v0 = load @x[%i1, %i0 - 1] where (%i0 - 1, %i0 * -1 + 3) else 0x3f800000 : f32
        %v1 = arith.addf %v0, %v0 : f32
        store %v1 to @out[%i0, %i1]
      }
    }
  }
}
