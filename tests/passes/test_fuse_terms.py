"""Where an elementwise kernel stays apart from the reduction that reads its results."""

from __future__ import annotations

import pytest

from tests.passes.compiled import context
from torch2hw.dialects.loop_parser import parse_loop_text
from torch2hw.passes.fuse_terms import FuseTerms

PROGRAM = """\
program @top level affine {
  buffer @x: 64x64xf32 input
  buffer @out: 64x64xf32 output
  buffer @total: 64xf32 output
  buffer @s: 64x64xf32 ram
  buffer @e: 64x64xf32 ram
  function @top(@x) -> (@out, @total) {
    kernel @scores(%i: 64, %j: 64, %k: 64 reduces 0) macs 262144 {
      stage 0 {
        %a = load @x[%i, %k] : f32
        %b = load @x[%j, %k] : f32
        %p = arith.mulf %a, %b : f32
        %n = arith.addf %acc, %p : f32
        %z = constant 0x00000000 : f32
        carry %acc = %z next %n : f32
      }
      stage 1 {
        store %n to @s[%i, %j]
      }
    }
    kernel @powers(%i: 64, %j: 64) {
      stage 0 {
        %a = load @s[%i, %j] : f32
        %b = arith.addf %a, %a : f32
        %c = math.exp %b : f32
        store %c to @e[%i, %j]
      }
    }
    kernel @sums(%i: 64, %j: 64 reduces 0) {
      stage 0 {
        %a = load @e[%i, %j] : f32
        %n = arith.addf %acc, %a : f32
        %z = constant 0x00000000 : f32
        carry %acc = %z next %n : f32
      }
      stage 1 {
        store %n to @total[%i]
      }
    }
    kernel @copies(%i: 64, %j: 64) {
      stage 0 {
        %a = load @e[%i, %j] : f32
        store %a to @out[%i, %j]
      }
    }
  }
}
"""


def fused(text: str, partition: int) -> list[str]:
    program = parse_loop_text(text, {}.__getitem__)
    return list(FuseTerms().run(program, context(partition))[1].get("fused", []))  # type: ignore[arg-type]


def test_one_lane_has_no_second_adder() -> None:
    """An adder beside the one that the products use costs more than the cycles are worth; sixteen lanes have some."""
    assert fused(PROGRAM, 4) == ["powers into sums"]
    assert fused(PROGRAM, 1) == []


def test_what_only_adds_gains_nothing() -> None:
    """On half the lanes, with two adders for each, the merged kernel takes as long as both."""
    assert fused(PROGRAM.replace("math.exp %b", "arith.mulf %b, %b"), 4) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%a = load @e[%i, %j] : f32\n        %n", "%a = load @e[0, %j] : f32\n        %n"),  # again for each i
        ("%j: 64 reduces 0", "%j: 32 reduces 0"),  # only half of the elements
        ("%n = arith.addf %acc, %a", "%d = load @s[%j, %i] : f32\n        %n = arith.addf %a, %acc"),  # its port
    ],
)
def test_stays_apart(old: str, new: str) -> None:
    assert old in PROGRAM and fused(PROGRAM.replace(old, new), 4) == []


def test_stays_apart_if_read_before() -> None:
    head, rest = PROGRAM.split("    kernel @sums")
    sums, copies = rest.split("    kernel @copies")
    end = "  }\n}\n"
    swapped = head + "    kernel @copies" + copies.removesuffix(end) + "    kernel @sums" + sums + end
    assert fused(swapped, 4) == []
