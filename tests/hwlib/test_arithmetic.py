"""Every IEEE operation against an independent oracle: few vectors here, millions with `-m slow`, any by
`hwlib.verify`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from torch2hw.hwlib import Library
from torch2hw.hwlib.verify import check

BINARY = ("arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.remf", "arith.maximumf", "arith.minimumf",
          "arith.maxnumf", "arith.minnumf")  # fmt: skip
UNARY = ("math.sqrt", "math.floor", "math.ceil", "math.trunc", "math.round", "math.roundeven")
CONVERSIONS = [
    ("arith.sitofp", "i32", "f32"), ("arith.uitofp", "i32", "f32"), ("arith.sitofp", "i64", "f32"),
    ("arith.sitofp", "i8", "bf16"), ("arith.sitofp", "i64", "f16"), ("arith.fptosi", "f32", "i32"),
    ("arith.fptoui", "f32", "i32"), ("arith.fptosi", "f32", "i64"), ("arith.fptosi", "f32", "i8"),
    ("arith.truncf", "f32", "bf16"), ("arith.truncf", "f32", "f16"), ("arith.truncf", "f64", "f32"),
    ("arith.truncf", "f32", "f8E4M3"), ("arith.extf", "f16", "f32"), ("arith.extf", "bf16", "f32"),
]  # fmt: skip
POLICIES = ("flush", "keep")


def run(
    folder: Path,
    operation: str,
    types: tuple[str, ...],
    policy: str,
    vectors: int,
    predicate: str = "",
    rtl: bool = False,
    depth: int | None = None,
) -> None:
    unit = Library(subnormals=policy).unit(operation, types[:-1], types[-1], predicate or None, depth)
    outcome = check(unit, operation, policy == "flush", vectors, folder, predicate, rtl)
    assert outcome.passed, outcome.text
    assert " 0 mismatches" in outcome.text


@pytest.mark.parametrize(
    ("operation", "policy"),
    [
        ("arith.addf", "flush"),
        ("arith.mulf", "keep"),
        ("arith.divf", "flush"),
        ("arith.maximumf", "flush"),
        ("arith.remf", "flush"),
    ],
)
def test_fast(tmp_path: Path, operation: str, policy: str) -> None:
    run(tmp_path, operation, ("f32", "f32", "f32"), policy, 400_000)


@pytest.mark.parametrize("policy", POLICIES)
def test_fused(tmp_path: Path, policy: str) -> None:
    run(tmp_path, "math.fma", ("f32",) * 4, policy, 400_000)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("form", ["f8E4M3", "f8E5M2", "bf16", "f16"])
def test_fused_in_other_formats(tmp_path: Path, form: str, policy: str) -> None:
    run(tmp_path, "math.fma", (form,) * 4, policy, 0 if form.startswith("f8") else 2_000_000)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("depth", [0, 1, 4, 7, 12])
def test_fused_at_every_depth(tmp_path: Path, depth: int) -> None:
    run(tmp_path, "math.fma", ("f32",) * 4, "keep", 500_000, rtl=True, depth=depth)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("operation", BINARY)
def test_binary_f32(tmp_path: Path, operation: str, policy: str) -> None:
    run(tmp_path, operation, ("f32", "f32", "f32"), policy, 400_000)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("predicate", ["oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "une", "uno"])
def test_comparisons_f32(tmp_path: Path, predicate: str, policy: str) -> None:
    run(tmp_path, "arith.cmpf", ("f32", "f32", "i1"), policy, 100_000, predicate)


@pytest.mark.slow
@pytest.mark.parametrize("operation", UNARY)
def test_unary(tmp_path: Path, operation: str) -> None:
    run(tmp_path / "f32", operation, ("f32", "f32"), "keep", 400_000)
    run(tmp_path / "f16", operation, ("f16", "f16"), "flush", 0)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("operation", "source", "target"), CONVERSIONS)
def test_conversions(tmp_path: Path, operation: str, source: str, target: str, policy: str) -> None:
    run(tmp_path, operation, (source, target), policy, 200_000)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("form", ["f8E4M3", "f8E5M2"])
@pytest.mark.parametrize("operation", ["arith.addf", "arith.mulf", "arith.divf", "arith.remf"])
def test_fp8_exhaustively(tmp_path: Path, operation: str, form: str, policy: str) -> None:
    run(tmp_path, operation, (form, form, form), policy, 0)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("operation", ["arith.addf", "arith.mulf", "arith.divf", "arith.maximumf"])
def test_rtl_two_million(tmp_path: Path, operation: str, policy: str) -> None:
    run(tmp_path, operation, ("f32", "f32", "f32"), policy, 2_000_000, rtl=True)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("depth", range(9))
def test_every_depth_gives_the_same(tmp_path: Path, depth: int) -> None:
    run(tmp_path, "arith.addf", ("f16", "f16", "f16"), "flush", 200_000, rtl=True, depth=depth)


@pytest.mark.simulation
def test_rtl_smoke(tmp_path: Path) -> None:
    run(tmp_path, "arith.mulf", ("f32", "f32", "f32"), "flush", 100_000, rtl=True)
