"""x^y: against the C library's 64-bit significands over a mixed sample, against mpmath over a small one, every
special pair; the model on the CPU and the hardware give the graph's bits.
"""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pytest

from torch2hw.hwlib import Library, Unit

from .running import as_c, as_hardware, as_model

COUNT = 100_000
NAN, INFINITY = 0x7FC00000, 0x7F800000
SPECIALS = [0, 1, 0x7FFFFF, 0x800000, 0x3F000000, 0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x40000000, 0x40400000,
            0x40A00000, 0x4B000001, 0x4B7FFFFF, 0x4B800000, 0x4B800001, 0x7F7FFFFF, INFINITY, NAN]  # fmt: skip
Floats = np.ndarray[tuple[int], np.dtype[np.float32]]


def unit_for(policy: str) -> Unit:
    return Library(subnormals=policy).unit("math.powf", ("f32", "f32"), "f32")


def sample(count: int = COUNT) -> tuple[Floats, Floats]:
    """Special pairs; any bits; results all over the range, from any x and from x near 1; whole and half powers."""
    rng = np.random.default_rng(3)
    both = np.array([s | sign for s in SPECIALS for sign in (0, 1 << 31)], np.uint32).view(np.float32)
    special = [a.ravel() for a in np.meshgrid(both, both)]
    n = count // 4
    x = np.ldexp(1 + rng.random(n), rng.integers(-126, 127, n)).astype(np.float32)
    near = (1 + rng.uniform(-1, 1, n) * np.ldexp(0.999, -rng.integers(0, 24, n))).astype(np.float32)
    target = rng.uniform(-150, 129, n)
    with np.errstate(all="ignore"):
        wide, narrow = (np.nan_to_num(target / np.log2(v.astype(np.float64)), posinf=0) for v in (x, near))
    small = np.where(rng.random(n) < 0.5, np.round(rng.uniform(-20, 20, n)), rng.uniform(-20, 20, n))
    any_bits = rng.integers(0, 1 << 32, (2, n), dtype=np.uint32).view(np.float32)
    with np.errstate(over="ignore"):
        bases = [special[0], any_bits[0], x, near, small.astype(np.float32)]
        powers = [special[1], any_bits[1], wide, narrow, np.round(rng.uniform(-60, 60, n)) / 2]
        return np.concatenate(bases), np.concatenate([p.astype(np.float32) for p in powers])


def flushed(values: Floats, policy: str) -> Floats:
    tiny = np.abs(values) < np.float32(2.0**-126)
    return np.where(tiny & (policy == "flush"), np.copysign(np.float32(0), values), values).astype(np.float32)


@pytest.mark.parametrize("policy", ["flush", "keep"])
def test_values(tmp_path: Path, policy: str) -> None:
    unit = unit_for(policy)
    x, y = sample()
    got = as_c(unit, [x.view(np.uint32), y.view(np.uint32)], tmp_path).astype(np.uint32)
    with np.errstate(all="ignore"):
        want = np.power(flushed(x, policy).astype(np.longdouble), flushed(y, policy).astype(np.longdouble))
        single = want.astype(np.float32).view(np.uint32)
        ulp = np.ldexp(1.0, np.maximum(np.frexp(want)[1] - 24, -149))
        error = (np.abs(got.view(np.float32) - want) / ulp).astype(np.float64)
    nan, exact = np.isnan(want), np.isinf(want) | (want == 0)
    assert (got[nan] == NAN).all()
    np.testing.assert_array_equal(got[exact], single[exact])
    tiny = ~nan & ~exact & (np.abs(want) < 2.0**-126) & (policy == "flush")
    assert (got[tiny] & 0x7FFFFFFF <= 0x00800000).all()
    top = ~nan & ~exact & (np.abs(want) >= 2.0**128 * (1 - 2.0**-25))
    assert (got[top] & 0x7FFFFFFF >= INFINITY - 1).all()
    rest = ~nan & ~exact & ~tiny & ~top
    worst = int(np.argmax(np.where(rest, error, 0)))
    assert error[worst] < unit.error_ulp, (x[worst], y[worst], want[worst], error[worst])
    np.testing.assert_array_equal(np.signbit(want[rest]), got[rest] >> 31 == 1)


def test_against_mpmath(tmp_path: Path) -> None:
    unit = unit_for("keep")
    x, y = (v[-6000:] for v in sample(12_000))
    x = np.abs(x)
    got = as_c(unit, [x.view(np.uint32), y.view(np.uint32)], tmp_path).astype(np.uint32).view(np.float32)
    worst = 0.0
    with mpmath.workprec(120):
        for base, power, result in zip(x.tolist(), y.tolist(), got.tolist(), strict=True):
            exact = mpmath.power(base, power) if base else mpmath.mpf(0)
            if 2.0**-149 < exact < 2.0**127:
                ulp = mpmath.ldexp(1, max(mpmath.frexp(exact)[1] - 24, -149))
                worst = max(worst, float(abs(mpmath.mpf(result) - exact) / ulp))
    assert 0.5 < worst < unit.error_ulp


def test_small_powers_are_exact(tmp_path: Path) -> None:
    cases = [(float(b), float(p), float(b) ** p) for b in range(-12, 13) if b for p in range(7)]
    cases += [(2.0, float(p), 2.0**p) for p in range(-149, 128)] + [(s * s, 0.5, s) for s in (3.0, 5.0, 0.375, 4095.0)]
    x, y, want = (np.array(column, np.float32) for column in zip(*cases, strict=True))
    got = as_c(unit_for("keep"), [x.view(np.uint32), y.view(np.uint32)], tmp_path)
    np.testing.assert_array_equal(got.astype(np.uint32).view(np.float32), want)


def test_the_cpu_model_is_the_graph(tmp_path: Path) -> None:
    unit = unit_for("flush")
    x, y = sample(8_000)
    got = as_model(unit, [x, y])
    np.testing.assert_array_equal(got, as_c(unit, [x.view(np.uint32), y.view(np.uint32)], tmp_path))


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("depth", [0, 1, 21, 30])
def test_the_hardware_is_the_graph(tmp_path: Path, depth: int) -> None:
    unit = Library().unit("math.powf", ("f32", "f32"), "f32", depth=depth)
    operands = [v.view(np.uint32) for v in sample(20_000)]
    np.testing.assert_array_equal(as_hardware(unit, operands, tmp_path), as_c(unit, operands, tmp_path))
