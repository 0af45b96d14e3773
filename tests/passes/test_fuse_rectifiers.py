"""fuse-rectifiers: which pairs of a comparison and a selection become one unit."""

from __future__ import annotations

from torch2hw.dialects.loops import Constant, Kernel, Operation, Stage
from torch2hw.hwlib import Library
from torch2hw.passes.fuse_rectifiers import fuse


def _kernel(
    predicate: str = "ugt", limit: int = 0, other: str = "zero", compared: str = "x", extra: bool = False
) -> Kernel:
    kind = "f32"
    statements = [
        Constant("zero", kind, 0),
        Constant("limit", kind, limit),
        Operation("x", kind, "arith.addf", ("zero", "zero"), (kind, kind)),
        Operation("c", "i1", "arith.cmpf", (compared, "limit"), (kind, kind), predicate),
        Operation("y", kind, "arith.select", ("c", "x", other), ("i1", kind, kind)),
    ]
    if extra:
        statements.append(Operation("z", kind, "arith.select", ("c", "zero", "x"), ("i1", kind, kind)))
    return Kernel("n", (), (Stage((), tuple(statements)),))


def _names(kernel: Kernel) -> list[str]:
    return [s.name for s in fuse(kernel, Library()).statements() if isinstance(s, Operation)]


def test_a_relu_is_one_unit_and_nothing_else_is_left_of_it() -> None:
    fused = fuse(_kernel(), Library())
    assert [s.name for s in fused.statements() if isinstance(s, Operation)] == ["arith.addf", "hwlib.relu"]
    assert [s.result for s in fused.statements() if isinstance(s, Constant)] == ["zero"]


def test_others_keep_their_comparison() -> None:
    usual = ["arith.addf", "arith.cmpf", "arith.select"]
    assert _names(_kernel(predicate="ogt")) == usual  # NaN becomes zero
    assert _names(_kernel(predicate="uge")) == usual  # -0 stays
    assert _names(_kernel(limit=0x3F800000)) == usual
    assert _names(_kernel(limit=0x80000000)) == usual
    assert _names(_kernel(other="limit", limit=1)) == usual
    assert _names(_kernel(compared="zero")) == usual


def test_a_comparison_with_another_user_stays() -> None:
    assert _names(_kernel(extra=True)) == ["arith.addf", "arith.cmpf", "hwlib.relu", "arith.select"]
