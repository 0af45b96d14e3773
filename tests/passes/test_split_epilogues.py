"""split-epilogues: the two kernels compute what the one did; what changes within the reduction keeps it whole."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.loop_values import program_values
from torch2hw.dialects.loop_parser import parse_loop_text
from torch2hw.hwlib import Library
from torch2hw.passes.split_epilogues import is_worth_it, joined_lanes, split

TEXT = """program @top level affine {{
  buffer @x: 4x3x9xf32 input
  buffer @scale: 4xf32 input
  buffer @out: 4x3xf32 output
  function @top(@x, @scale) -> (@out) {{
    kernel @conv0(%c: 4, %p: 3, %k: 9 reduces 0) macs 108 {{
      stage 0 {{
        %a = load @x[%c, %p, %k] : f32
        %m = arith.mulf %a, %a : f32
        %next = arith.addf %acc, %m : f32
        %s = load @scale[%c] : f32
        %twice = arith.addf %s, %s : f32
        carry %acc = %s next %next : f32
      }}
      stage 1 {{
        %scaled = arith.mulf %next, {factor} : f32
        store %scaled to @out[{row}, %p]
      }}
    }}
  }}
}}
"""


@pytest.mark.parametrize(("factor", "row", "parts"), [("%twice", "%c", 2), ("%twice", "3 - %c", 2), ("%m", "%c", 1)])
def test_values(factor: str, row: str, parts: int) -> None:
    row = "%c * -1 + 3" if row == "3 - %c" else row
    program = parse_loop_text(TEXT.format(factor=factor, row=row), {}.__getitem__)
    kernels = split(program.kernels[0])
    assert len(kernels) == parts and sum(kernel.macs for kernel in kernels) == 108
    assert parts == 1 or [s.buffer.shape for s in kernels[0].stores()] == [(4, 3)]
    inputs = [(np.arange(108) % 7 - 3).reshape(4, 3, 9).astype(np.float32), np.arange(4, dtype=np.float32)]
    wanted, got = (program_values(each, inputs)[0] for each in (program, program.with_sequence(kernels)))
    np.testing.assert_array_equal(got, wanted)


def test_only_where_cycles_are_cheap_and_lanes_cannot_be_joined() -> None:
    text = (
        TEXT.format(factor="%s", row="%c")
        .replace("4x3", "4x3000")
        .replace("%p: 3", "%p: 3000")
        .replace("108", "108000")
    )
    kernel = parse_loop_text(text, {}.__getitem__).kernels[0]
    assert [joined_lanes(kernel, lanes) for lanes in (4, 9, 16, 36)] == [1, 9, 1, 9]
    worth = [is_worth_it(kernel, lanes, luts, Library()) for lanes, luts in ((16, 0.01), (16, 10.0), (9, 0.01))]
    assert worth == [True, False, False]
