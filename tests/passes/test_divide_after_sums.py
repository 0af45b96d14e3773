"""divide-after-sums: weights of a softmax lose their division to the sums; whatever is not one keeps it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.passes.compiled import context
from torch2hw.analysis.reference import Reference
from torch2hw.dialects.loop_parser import parse_loop_text
from torch2hw.dialects.program import Program
from torch2hw.passes.divide_after_sums import DivideAfterSums

SOFTMAX = (Path(__file__).parent / "golden" / "divide_after_sums.mlir").read_text().split("// ----- ")[0]


def program(text: str) -> Program:
    return parse_loop_text(text, {}.__getitem__, 1)


def test_the_sums_are_divided() -> None:
    before = program(SOFTMAX)
    after, report = DivideAfterSums().run(before, context(1))  # type: ignore[arg-type]
    assert report == {"divisions after sums": ["n5"], "rounding": ["n5"]}
    rng = np.random.default_rng(1)
    inputs = [rng.standard_normal(buffer.shape).astype(np.float32) for buffer in before.inputs]
    (expected,), (got,) = Reference(before.text()).run(inputs), Reference(after.text()).run(inputs)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert (got != expected).any()
    assert sum(load.buffer.name == "t5" for kernel in after.kernels for load in kernel.loads()) == 0


OTHERS = {  # what stands in the place of a part of the text
    "another function": ("math.exp %v2", "math.exp2 %v2"),
    "no maximum": ("arith.maximumf", "arith.minimumf"),
    "the sum of both": ("arith.subf", "arith.addf"),
    "the maximum of other rows": ("store %v5 to @t0[%i0]", "store %v5 to @t0[%i0 * -1 + 3]"),
    "another buffer's maximum": (
        "%v0 = load @x[%i0, %i1] : f32\n        %v5",
        "%v0 = load @t3[%i0, %i1] : f32\n        %v5",
    ),
    "weights that are a result": ("@t5: 4x6xf32 ram", "@t5: 4x6xf32 output"),
    "a sum that begins with another value": ("%c5 = constant 0x00000000", "%c5 = constant 0x3f800000"),
    "a sum of quotients alone": ("arith.mulf %v0, %v1", "arith.addf %v0, %v1"),
    "squares of weights": ("arith.mulf %v0, %v1", "arith.mulf %v0, %v0"),
    "a divisor for each term": (
        "%i1: 3, %i2: 6 reduces 0) macs 72 {\n      stage 0 {\n        %v0 = load @t5[%i0, %i2]",
        "%i1: 3, %i2: 4 reduces 0) macs 48 {\n      stage 0 {\n        %v0 = load @t5[%i2, %i0]",
    ),
    "a quotient the other way round": ("arith.divf %v0, %v1", "arith.divf %v1, %v0"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_quotients_stay(name: str) -> None:
    old, new = OTHERS[name]
    assert old in SOFTMAX
    before = program(SOFTMAX.replace(old, new, 1))
    after, report = DivideAfterSums().run(before, context(1))  # type: ignore[arg-type]
    assert after is before and report == {}
