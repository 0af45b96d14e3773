program @everything level scheduled {
  share f32_add: 2
  share f32_mul: 1
  buffer @x: 4x6xf32 input banks 2x1 loc("net.py":3)
  buffer @y: f32 output
  buffer @kept: 2xf32 state = [0x00000000, 0x3f800000] called "0.\"w\""
  buffer @few: 3xu8 rom codes 0x1.8000000000000p-5 7 = [0x00, 0x7f, 0xff] loc("a \"file\".py":4)
  buffer @many: 4x8xf32 shared_rom banks 2x2 = weights "many"
  buffer @t: 5xbf16 ram
  function @everything(@x) -> (@y) keeps (@kept) start 1 {
    seq start 3 {
      par @n0 start 4 {
        kernel @arm() start 2 interval 1 depth 9 {
          stage 0 {
            %v = load @few[0] : i8 {cycle = 0, ready = 2}
          }
        }
      }
    }
    rounds 4 start 20 period 9 {
      kernel @first(%i: 4 in rounds, %k: 6 reduces 0, %j: 3) start 1 interval 2 depth 7 lanes 3 macs 72 loc("net.py":9) {
        where (%i * -1 + 3, %k - 1)
        stage 0 {
          %zero = constant 0x00000000 : f32
          carry %acc = %zero next %sum : f32 {cycle = 3, ready = 3}
          carry %other = %zero next %acc : f32 {cycle = 4}
          %a = load @x[%i, (%k * 2 + 5) mod 6] where (%k - 2, %i) else 0x3f800000 : f32 {cycle = 0, ready = 2} loc("net.py":9)
          %n = index ((%i * 4 + %k) floordiv 3) * -2 + (%row:9) mod 3 + 7 : index {cycle = 1, ready = 1}
          %b = load @many[%n:4, 0] : f32 {cycle = 2, ready = 4}
          %c = arith.cmpf ugt %a, %b : (f32, f32) -> i1 {cycle = 4, ready = 5}
          %d = arith.divf %a, %b : f32 model @f32_div iterative 2 {cycle = 4, ready = 9} loc("net.py":10)
          %sum = arith.select %c, %acc, %d : (i1, f32, f32) -> f32 {cycle = 9, ready = 9}
          store %sum to @t[%i] where (%j - 1) {cycle = 9} loc("net.py":9)
        }
        stage 1 {
          store %sum to @y[] {cycle = 11}
        }
        timing %row {cycle = 0, ready = 1}
      }
    }
  }
  model {
    |func.func private @f32_div(%a: f32, %b: f32) -> f32 {
    |
    |  return %a : f32
    |}
    |
  }
}
