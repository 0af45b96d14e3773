"""The adder tree and the block-aligned dot product: against their definitions in Python's integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library, NoUnit, Unit
from torch2hw.hwlib.exact import Real, decode, encode
from torch2hw.hwlib.float_dot import kept_bits
from torch2hw.hwlib.formats import FORMATS, Format

from .narrow import Compiled, decoded
from .running import Words, as_c, as_hardware

Arrays = list[Words]


def dot_unit(lanes: int, policy: str = "flush", source: str = "f32", target: str = "f32") -> Unit:
    return Library(subnormals=policy).unit("hwlib.dot", (source,) * (2 * lanes), target)


def operands(count: int, lanes: int, form: Format, seed: int = 1) -> Arrays:
    """Lanes of similar and of very different size, cancelling ones, zeros, subnormals, infinities and NaNs."""
    rng = np.random.default_rng(seed)
    shape = (2 * lanes, count)
    words = rng.integers(0, 1 << form.width, shape, dtype=np.uint64)
    spread = rng.integers(1, 6, count) * rng.integers(1, 6, count)
    field = form.bias + rng.integers(-1, 2, count) * (form.bias // 3) + (rng.normal(size=shape) * spread).astype(int)
    field = np.clip(field, 0, form.largest_exponent - 1).astype(np.uint64)
    fraction = rng.integers(0, 1 << form.fraction_bits, shape, dtype=np.uint64)
    sign = rng.integers(0, 2, shape, dtype=np.uint64) << np.uint64(form.width - 1)
    similar = sign | field << np.uint64(form.fraction_bits) | fraction
    words = np.where(rng.random(count) < 0.8, similar, words)
    words = np.where(rng.random(shape) < 0.05, sign, words)  # zeros
    cancel = rng.random(count) < 0.3
    words[1] = np.where(cancel, words[0] ^ np.uint64(1 << form.width - 1), words[1])
    words[lanes + 1] = np.where(cancel, words[lanes] ^ (rng.random(count) < 0.5), words[lanes + 1])
    edges = np.array([0, 1, form.infinity, form.infinity | 1 << form.width - 1, form.nan, form.infinity - 1], np.uint64)
    return list(np.where(rng.random(shape) < 0.002, rng.choice(edges, shape), words).astype(np.uint64))


def defined(left: list[int], right: list[int], form: Format, target: Format, flush: bool) -> int:
    """The definition of the docstring, in integers."""
    pairs = [(decode(a, form, flush), decode(b, form, flush)) for a, b in zip(left, right, strict=True)]
    infinite = set()
    for a, b in pairs:
        if a is None or b is None:
            return target.nan
        if a.magnitude is None or b.magnitude is None:
            if a.magnitude == 0 or b.magnitude == 0:
                return target.nan
            infinite.add(a.negative ^ b.negative)
    if infinite:
        return target.nan if len(infinite) == 2 else encode(Real(infinite.pop(), None), target, flush)
    kept, terms = kept_bits(form, target), []
    for x, y in zip(left, right, strict=True):
        fields = [max(1, w >> form.fraction_bits & form.largest_exponent) for w in (x, y)]
        parts = [decode(w, form, flush) for w in (x, y)]
        size, negative = Fraction(1), False
        for part in parts:
            assert part is not None and part.magnitude is not None
            size, negative = size * part.magnitude, negative ^ part.negative
        terms.append((sum(fields) if size else 0, -size if negative else size))
    largest = max(exponent for exponent, _ in terms)
    last = Fraction(2) ** (largest - 2 * form.bias + 2 - kept)
    total = sum(int(value / last) for _, value in terms)  # int() cuts toward zero
    return encode(Real(total < 0, abs(total) * last), target, flush)


@pytest.mark.parametrize(
    ("lanes", "policy", "source", "target"),
    [(8, "flush", "f32", "f32"), (8, "keep", "f32", "f32"), (3, "keep", "f32", "f32"), (4, "flush", "bf16", "f32"),
     (5, "keep", "f16", "f16"), (2, "flush", "f8E4M3FN", "bf16")],
)  # fmt: skip
def test_the_dot_product_is_its_definition(tmp_path: Path, lanes: int, policy: str, source: str, target: str) -> None:
    form, wide, given = FORMATS[source], FORMATS[target], operands(3_000, lanes, FORMATS[source])
    got = as_c(dot_unit(lanes, policy, source, target), given, tmp_path)
    for row, word in zip(np.stack(given, 1).tolist(), got.tolist(), strict=True):
        want = defined(row[:lanes], row[lanes:], form, wide, policy == "flush")
        assert want == word, ([hex(w) for w in row], hex(want), hex(word))


def test_the_dot_product_is_more_accurate_than_adders(tmp_path: Path) -> None:
    library, lanes, rng = Library(), 8, np.random.default_rng(7)
    values = rng.normal(size=(2 * lanes, 50_000)).astype(np.float32)
    compiled = Compiled([dot_unit(lanes), library.unit("hwlib.sum", ("f32",) * lanes, "f32")], tmp_path)
    products = (values[:lanes] * values[lanes:]).view(np.uint32)
    exact = (values[:lanes].astype(np.float64) * values[lanes:]).sum(axis=0)
    ulp = np.ldexp(1.0, np.frexp(exact)[1] - 24)
    given = [list(values.view(np.uint32).astype(np.uint64)), list(products.astype(np.uint64))]
    results = [decoded(compiled.run(i, words), FORMATS["f32"], True) for i, words in enumerate(given)]
    usual = np.abs(exact) > 0.5
    rms = [float(np.sqrt(np.mean(((result - exact) / ulp)[usual] ** 2))) for result in results]
    assert rms[0] < 0.4
    assert rms[0] < 0.6 * rms[1], rms


def test_the_order_of_the_lanes_does_not_matter(tmp_path: Path) -> None:
    given, order = operands(20_000, 8, FORMATS["f32"]), [3, 1, 7, 0, 2, 6, 5, 4]
    compiled = Compiled([dot_unit(8)], tmp_path)
    shuffled = [given[i] for i in order] + [given[8 + i] for i in order]
    np.testing.assert_array_equal(compiled.run(0, given), compiled.run(0, shuffled))


@pytest.mark.parametrize("policy", ["flush", "keep"])
def test_the_tree_is_its_adders(tmp_path: Path, policy: str) -> None:
    library, count = Library(subnormals=policy), 5
    units = [library.unit("hwlib.sum", ("f32",) * count, "f32"), library.unit("arith.addf", ("f32", "f32"), "f32")]
    compiled = Compiled(units, tmp_path)
    x = operands(30_000, 3, FORMATS["f32"])[:count]
    pairs = compiled.run(1, x[:2]), compiled.run(1, x[2:4])
    want = compiled.run(1, [compiled.run(1, list(pairs)), x[4]])
    np.testing.assert_array_equal(compiled.run(0, x), want)


def test_names_ports_and_refusals() -> None:
    library = Library()
    dot, tree = dot_unit(3), library.unit("hwlib.sum", ("f32",) * 4, "f32")
    assert (dot.name, tree.name) == ("f32_dot_3", "f32_sum_4")
    assert [p.name for p in dot.inputs] == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert [p.name for p in tree.inputs] == ["x0", "x1", "x2", "x3"]
    assert dot_unit(2, source="bf16").name == "bf16_dot_2_f32"
    for types, result in (
        (("f32",) * 5, "f32"),
        (("f32",) * 2, "f32"),
        (("f32",) * 4, "f16"),
        (("f32", "f16") * 2, "f32"),
    ):
        with pytest.raises(NoUnit):
            library.unit("hwlib.dot", types, result)


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("depth", [0, 4, 11, 16])
def test_the_hardware_is_the_graph(tmp_path: Path, depth: int) -> None:
    unit = Library(subnormals="keep").unit("hwlib.dot", ("f32",) * 8, "f32", depth=depth)
    given = operands(20_000, 4, FORMATS["f32"])
    np.testing.assert_array_equal(as_hardware(unit, given, tmp_path), as_c(unit, given, tmp_path))
