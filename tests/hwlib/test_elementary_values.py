"""Elementary functions against float64 where they are hard: special operands, exact results, the neighbourhood of
their zeros; under both subnormal policies.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torch2hw.hwlib import Library, Unit, emit_c

Words = np.ndarray[tuple[int], np.dtype[np.uint32]]
Doubles = np.ndarray[tuple[int], np.dtype[np.float64]]

COUNT = 20_000
NAN, INFINITY = 0x7FC00000, 0x7F800000
SPECIALS = [0, INFINITY, NAN, 0x7F800001, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF]
FUNCTIONS: dict[str, Callable[[Doubles], Doubles]] = {
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "hwlib.reciprocal": lambda x: 1 / x,
    "math.rsqrt": lambda x: np.where(x == 0, 1 / x, 1 / np.sqrt(x)),
    "hwlib.sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "math.tanh": np.tanh,
    "math.expm1": np.expm1,
    "math.log1p": np.log1p,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log10": np.log10,
}
LOG_CENTRES = {"math.log": 1.0, "math.log2": 1.0, "math.log10": 1.0, "math.log1p": -1.0}  # 0 for the others


def operands(operation: str) -> Words:
    """Specials of both signs, small integers and powers of two, both sides of the zero, the bit patterns."""
    rng = np.random.default_rng(11)
    integers = np.arange(-160, 161).astype(np.float32)
    powers = np.ldexp(np.float32(1), np.arange(-149, 128)).astype(np.float32)
    distances = np.ldexp(rng.uniform(-1, 1, COUNT // 4), -rng.integers(0, 27, COUNT // 4))
    near = (LOG_CENTRES.get(operation, 0.0) + distances).astype(np.float32)
    special = np.array([s | sign for s in SPECIALS for sign in (0, 1 << 31)], np.uint32)
    plain = rng.integers(0, 1 << 32, COUNT // 2, dtype=np.uint32)
    moderate = rng.integers(97, 137, COUNT // 4, dtype=np.uint32) << 23 | plain[: COUNT // 4] & 0x807FFFFF
    return np.concatenate([special, *(f.view(np.uint32) for f in (integers, powers, -powers, near)), plain, moderate])


def results(unit: Unit, inputs: Words, folder: Path) -> Words:
    """The unit's graph as C, on its own."""
    body = emit_c.emit("graph", list(unit.operands), unit.schedule.output)
    loop = "uint32_t x; while (fread(&x, 4, 1, stdin) == 1) { x = (uint32_t)graph(x); fwrite(&x, 4, 1, stdout); }"
    source = folder / "graph.c"
    source.write_text(f"#include <stdint.h>\n#include <stdio.h>\n{body}int main(void) {{ {loop} return 0; }}\n")
    subprocess.run(["gcc", "-O1", "-w", "-o", str(folder / "graph"), str(source)], check=True)
    done = subprocess.run([str(folder / "graph")], input=inputs.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype=np.uint32)


@pytest.mark.parametrize("subnormals", ["flush", "keep"])
@pytest.mark.parametrize("operation", sorted(FUNCTIONS))
def test_values(tmp_path: Path, operation: str, subnormals: str) -> None:
    unit = Library(subnormals=subnormals).unit(operation, ("f32",), "f32")
    inputs = operands(operation)
    got = results(unit, inputs, tmp_path)
    flush = subnormals == "flush"
    seen = np.where((inputs & INFINITY == 0) & flush, inputs & np.uint32(1 << 31), inputs).view(np.float32)
    with np.errstate(all="ignore"):
        want = FUNCTIONS[operation](seen.astype(np.float64))
        single = want.astype(np.float32).view(np.uint32)
        ulp = np.ldexp(1.0, np.maximum(np.frexp(want)[1] - 24, -149))
        error = np.abs(got.view(np.float32).astype(np.float64) - want) / ulp
    nan = np.isnan(want)
    assert (got[nan] == NAN).all()
    exact = np.isinf(want) | (want == 0)
    np.testing.assert_array_equal(got[exact], single[exact])
    tiny = ~nan & (np.abs(want) < 2.0**-126) & flush
    assert (got[tiny & ~exact] & 0x7FFFFFFF <= 0x00800000).all()
    top = ~nan & ~exact & (np.abs(want) >= 2.0**128 * (1 - 2.0**-25))
    assert (got[top] & 0x7FFFFFFF >= INFINITY - 1).all()
    rest = ~nan & ~exact & ~tiny & ~top
    worst = np.argmax(np.where(rest, error, 0))
    assert error[rest].max() < unit.error_ulp, (hex(inputs[worst]), hex(got[worst]), want[worst], error[worst])


@pytest.mark.parametrize("operation", sorted(FUNCTIONS))
def test_every_bf16(tmp_path: Path, operation: str) -> None:
    unit = Library().unit(operation, ("bf16",), "bf16")
    inputs = np.arange(1 << 16, dtype=np.uint32)
    got = results(unit, inputs, tmp_path) << 16
    seen = np.where(inputs & 0x7F80 == 0, inputs & 0x8000, inputs).astype(np.uint32) << 16
    with np.errstate(all="ignore"):
        want = FUNCTIONS[operation](seen.view(np.float32).astype(np.float64))
        error = np.abs(got.view(np.float32) - want) / np.ldexp(1.0, np.frexp(want)[1] - 8)
    normal = (np.abs(want) >= 2.0**-126) & (np.abs(want) < 2.0**128 * (1 - 2.0**-9))
    assert error[normal].max() < 0.6
    assert (got[np.isnan(want)] == NAN).all()
    exact = np.isinf(want) | (want == 0)
    np.testing.assert_array_equal(got[exact], want[exact].astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("operation", ["math.sin", "math.cos"])
def test_near_multiples_of_half_pi(tmp_path: Path, operation: str) -> None:
    """The floats nearest to a multiple of pi / 2 in their binades; 16367173 2^72 is the nearest of all."""
    unit = Library().unit(operation, ("f32",), "f32")
    turns = np.outer(np.arange(1, 100), np.ldexp(1.0, np.arange(20))).ravel()
    hard = np.concatenate([turns * np.pi / 2, [np.ldexp(16367173.0, 72)], -turns * np.pi]).astype(np.float32)
    got = results(unit, hard.view(np.uint32), tmp_path).view(np.float32)
    want = FUNCTIONS[operation](hard.astype(np.float64))
    assert (np.abs(got - want) / np.ldexp(1.0, np.frexp(want)[1] - 24)).max() < unit.error_ulp


def test_exp2_of_integers_is_exact(tmp_path: Path) -> None:
    unit = Library(subnormals="keep").unit("math.exp2", ("f32",), "f32")
    exponents = np.arange(-149, 128)
    got = results(unit, exponents.astype(np.float32).view(np.uint32), tmp_path)
    np.testing.assert_array_equal(got.view(np.float32), np.ldexp(np.float32(1), exponents))


def test_log2_of_powers_of_two_is_exact(tmp_path: Path) -> None:
    unit = Library(subnormals="keep").unit("math.log2", ("f32",), "f32")
    exponents = np.arange(-149, 128)
    got = results(unit, np.ldexp(np.float32(1), exponents).astype(np.float32).view(np.uint32), tmp_path)
    np.testing.assert_array_equal(got.view(np.float32), exponents.astype(np.float32))
