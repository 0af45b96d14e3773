"""Every format: fp8 binary operations and 16-bit unary ones over all operands, 16-bit binary ones over a sample,
conversions from all of them to all of them and to and from integers, exact wide products, names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library, NoUnit
from torch2hw.hwlib.formats import FORMATS, Format, float_format, integer_width, type_width

from .narrow import Compiled, Doubles, decoded, encoded
from .running import Words

EIGHT = ("f8E4M3FN", "f8E4M3", "f8E5M2", "f8E3M4")
SIXTEEN = ("f16", "bf16")
ODD = ("f6E3M2", "f12E5M6", "f19E8M10")
Binary = Callable[[Doubles, Doubles], Doubles]


def larger(x: Doubles, y: Doubles) -> Doubles:
    """-0 below +0; NaN if either is."""
    return np.where((x == 0) & (y == 0), np.where(np.signbit(x), y, x), np.maximum(x, y))


BINARY: dict[str, Binary] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.maximumf": larger,
    "arith.minimumf": lambda x, y: -larger(-x, -y),
    "arith.maxnumf": lambda x, y: np.where(np.isnan(x), y, np.where(np.isnan(y), x, larger(x, y))),
    "arith.minnumf": lambda x, y: np.where(np.isnan(x), y, np.where(np.isnan(y), x, -larger(-x, -y))),
}
UNARY: dict[str, Callable[[Doubles], Doubles]] = {
    "math.sqrt": np.sqrt,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.roundeven": np.rint,
    "math.round": lambda x: np.copysign(np.trunc(np.abs(x) + 0.5), x),
    "hwlib.rounded_reciprocal": lambda x: 1 / x,
}
ELEMENTARY: dict[str, Callable[[Doubles], Doubles]] = {
    "math.exp": np.exp,
    "math.tanh": np.tanh,
    "math.log": np.log,
    "math.sin": np.sin,
    "math.rsqrt": lambda x: np.where(x == 0, 1 / x, 1 / np.sqrt(x)),
}


def known(name: str) -> Format:
    form = float_format(name)
    assert form is not None
    return form


def same(got: Words, want: Words, *operands: Words) -> None:
    wrong = np.flatnonzero(got != want)
    shown = [(*(hex(o[i]) for o in operands), hex(want[i]), hex(got[i])) for i in wrong[:5]]
    assert not wrong.size, f"{wrong.size} differ: operands, expected, got: {shown}"


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("name", [*EIGHT, *SIXTEEN, *ODD])
def test_binary_operations(tmp_path: Path, name: str, policy: str) -> None:
    form, flush = known(name), policy == "flush"
    units = [Library(subnormals=policy).unit(op, (name, name), name) for op in BINARY]
    compiled = Compiled(units, tmp_path)
    if form.width <= 8:
        a, b = (w.ravel() for w in np.meshgrid(*[np.arange(1 << form.width, dtype=np.uint64)] * 2))
    else:
        rng = np.random.default_rng(1)
        a = rng.integers(0, 1 << form.width, 150_000, dtype=np.uint64)
        near = a ^ (1 << form.width - 1) ^ (np.uint64(1) << rng.integers(0, form.width, a.size, dtype=np.uint64))
        b = np.where(rng.random(a.size) < 0.5, rng.integers(0, 1 << form.width, a.size, dtype=np.uint64), near)
    x, y = decoded(a, form, flush), decoded(b, form, flush)
    with np.errstate(all="ignore"):
        for index, exact in enumerate(BINARY.values()):
            same(compiled.run(index, [a, b]), encoded(exact(x, y), form, flush), a, b)


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("name", [*EIGHT, *SIXTEEN, "f6E3M2", "f12E5M6"])
def test_unary_operations(tmp_path: Path, name: str, policy: str) -> None:
    form, flush = known(name), policy == "flush"
    compiled = Compiled([Library(subnormals=policy).unit(op, (name,), name) for op in UNARY], tmp_path)
    every = np.arange(1 << form.width, dtype=np.uint64)
    x = decoded(every, form, flush)
    with np.errstate(all="ignore"):
        for index, exact in enumerate(UNARY.values()):
            same(compiled.run(index, [every]), encoded(exact(x), form, flush), every)


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("name", ["f8E4M3FN", "f8E5M2", *SIXTEEN, "f10E5M4", "f32"])
def test_conversions(tmp_path: Path, name: str, policy: str) -> None:
    """To every other format; to and from integers, out of range too."""
    form, flush = known(name), policy == "flush"
    targets = [t for t in (*FORMATS, "f10E5M4") if t != name]
    library, integers = Library(subnormals=policy), ("i8", "i16", "i32")
    units = [library.unit("arith.truncf", (name,), t) for t in targets]
    units += [library.unit(op, (name,), t) for t in integers for op in ("arith.fptosi", "arith.fptoui")]
    units += [library.unit(op, (t,), name) for t in integers for op in ("arith.sitofp", "arith.uitofp")]
    compiled = Compiled(units, tmp_path)
    rng = np.random.default_rng(4)
    words = np.arange(1 << form.width, dtype=np.uint64) if form.width <= 16 else rng.integers(0, 1 << 32, 1 << 16)
    words = words.astype(np.uint64)
    x = decoded(words, form, flush and form.exponent_bits >= 8)
    with np.errstate(all="ignore"):
        for index, target in enumerate(targets):
            other = known(target)
            want = encoded(x, other, flush and other.exponent_bits >= 8)
            same(compiled.run(index, [words]), want, words)
    for index, (target, low) in enumerate([(t, s) for t in integers for s in (-1, 0)], len(targets)):
        width = type_width(target)
        ends = (-(2.0 ** (width - 1)), 2.0 ** (width - 1) - 1) if low else (0.0, 2.0**width - 1)
        whole = np.clip(np.trunc(np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf)), *ends)
        same(compiled.run(index, [words]), whole.astype(np.int64).astype(np.uint64) & ((1 << width) - 1), words)
    for index, (source, signed) in enumerate([(t, s) for t in integers for s in (True, False)], len(targets) + 6):
        width = integer_width(source) or 0
        values = np.arange(1 << width) if width <= 16 else rng.integers(0, 1 << width, 1 << 16)
        whole = values - (values >> (width - 1) << width) if signed else values
        got = compiled.run(index, [values.astype(np.uint64)])
        same(got, encoded(whole.astype(np.float64), form, False), values.astype(np.uint64))


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize(
    ("source", "target"),
    [("bf16", "f32"), ("f16", "f32"), ("f8E4M3FN", "f32"), ("f8E4M3FN", "f16"), ("f8E5M2", "f16"), ("f8E4M3FN", "bf16"),
     ("f12E8M3", "bf16")],
)  # fmt: skip
def test_wide_products(tmp_path: Path, source: str, target: str, policy: str) -> None:
    """The bits of converting both operands and multiplying in the wide format."""
    library, form, wide = Library(subnormals=policy), known(source), known(target)
    units = [
        library.unit("arith.mulf", (source, source), target),
        library.unit("arith.extf", (source,), target),
        library.unit("arith.mulf", (target, target), target),
    ]
    assert units[0].name == f"{source}_mul_{target}"
    compiled = Compiled(units, tmp_path)
    if form.width == 8:
        a, b = (w.ravel() for w in np.meshgrid(*[np.arange(1 << form.width, dtype=np.uint64)] * 2))
    else:
        a, b = np.random.default_rng(6).integers(0, 1 << form.width, (2, 200_000), dtype=np.uint64)
    want = compiled.run(2, [compiled.run(1, [a]), compiled.run(1, [b])])
    same(compiled.run(0, [a, b]), want, a, b)
    finite = ~np.isnan(decoded(want, wide, False))
    assert finite.mean() > 0.5


@pytest.mark.parametrize("policy", ["flush", "keep"])
@pytest.mark.parametrize("source", SIXTEEN)
def test_wide_products_of_every_pair_of_significands(tmp_path: Path, source: str, policy: str) -> None:
    """Exact: against float64, for pairs of exponents at both ends of the range and in it."""
    form, wide, flush = known(source), known("f32"), policy == "flush"
    unit = Library(subnormals=policy).unit("arith.mulf", (source, source), "f32")
    compiled = Compiled([unit], tmp_path)
    every = np.arange(1 << form.fraction_bits, dtype=np.uint64)
    left, right = (w.ravel() for w in np.meshgrid(every, every))
    top, bias = form.largest_exponent, form.bias
    pairs = [(bias, bias), (0, top - 1), (0, 0), (1, bias), (top - 1, bias), (top - 1, top - 1), (top, bias), (top, 0)]
    pairs += [(bias // 2, bias - bias // 2 + low) for low in (-1, 0, 1)]  # around the smallest normal of bf16
    for number, exponents in enumerate(pairs):
        signs = (number % 2, number // 2 % 2)
        a, b = (
            fraction | np.uint64(exponent << form.fraction_bits | sign << form.width - 1)
            for fraction, exponent, sign in zip((left, right), exponents, signs, strict=True)
        )
        x, y = (decoded(w, form, flush and form.exponent_bits == wide.exponent_bits) for w in (a, b))
        with np.errstate(all="ignore"):
            same(compiled.run(0, [a, b]), encoded(x * y, wide, flush), a, b)


@pytest.mark.parametrize("name", ["f16", "f8E4M3FN"])
def test_elementary_functions(tmp_path: Path, name: str) -> None:
    """Computed in binary32 and rounded: nearly always the nearest."""
    form = known(name)
    units = [Library(subnormals="keep").unit(op, (name,), name) for op in ELEMENTARY]
    compiled = Compiled(units, tmp_path)
    every = np.arange(1 << form.width, dtype=np.uint64)
    x = decoded(every, form, False)
    with np.errstate(all="ignore"):
        for index, exact in enumerate(ELEMENTARY.values()):
            got, want = compiled.run(index, [every]), encoded(exact(x), form, False)
            assert (got != want).mean() < 2e-4
            assert (np.abs(got.astype(np.int64) - want.astype(np.int64)) <= 1).all()


def test_names() -> None:
    assert float_format("f12E5M6") == Format("f12E5M6", 5, 7)
    assert float_format("f8E4M3FN") == Format("f8E4M3FN", 4, 4, True)
    for name in ("f12E5M5", "f8E1M6", "i8", "f80", "f8E4M3FNUZ", "float"):
        assert float_format(name) is None
    assert Library().unit("arith.addf", ("f12E5M6", "f12E5M6"), "f12E5M6").name == "f12E5M6_add"
    for types, result in ((("bf16", "bf16"), "f16"), (("f16", "bf16"), "f32"), (("f32", "f32"), "f16")):
        with pytest.raises(NoUnit):
            Library().unit("arith.mulf", types, result)


def test_models_parse_as_upstream_mlir() -> None:
    """A format that MLIR has no name for travels as an integer."""
    from torch_mlir import ir

    with ir.Context(), ir.Location.unknown():
        for name, shown in (("f8E4M3FN", "f8E4M3FN"), ("f8E3M4", "i8"), ("f12E5M6", "i12"), ("f8E5M2", "f8E5M2")):
            text = Library().unit("arith.addf", (name, name), name).model() or ""
            assert f"%left: {shown}" in text
            assert ir.Module.parse(text).operation.verify()
