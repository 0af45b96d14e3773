"""What the hardware computed against its reference, bit for bit, and how far it is from PyTorch (contract section 6).

Bits are compared with every NaN made canonical on both sides. Distances are defined for every pair of values:

- two NaNs, or two infinities of one sign, are at distance 0;
- one NaN, one infinity, or infinities of both signs: the absolute and relative distance is infinite (`null` in JSON),
  and so is the distance in ULP if one is NaN;
- ULP counts the format's values between the two; the infinities follow the largest finite value, and -0 is 0;
- a relative distance is relative to PyTorch's value, or to the smallest normal number (1 for integers) if larger;
- the Pearson correlation is over the pairs where both are finite, of all tensors together; None where either side does
  not vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Any

import numpy as np
import numpy.typing as npt

from torch2hw.analysis.stored_arrays import Array, Words, canonicalise_nans, from_words, to_float64, to_words
from torch2hw.dialects.number_types import number_type

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """One output tensor of one run: name, dtype, and the same tensor from four sources.

    `hardware`, `reference` and `torch` are in stored form; `torch_float64` is None where PyTorch cannot run the
    model in float64.
    """

    name: str
    dtype: str
    hardware: Array
    reference: Array
    torch: Array
    torch_float64: Values | None


@dataclass(frozen=True)
class Mismatch:
    """The first element that differs: words are bits as stored, NaNs canonical."""

    tensor: str
    index: tuple[int, ...]
    dtype: str
    expected: int
    got: int

    @property
    def place(self) -> str:
        """`out[0, 3]`."""
        return f"{self.tensor}[{', '.join(map(str, self.index))}]" if self.index else self.tensor

    def __str__(self) -> str:
        return f"{self.place} is {self.value(self.got)}, its reference is {self.value(self.expected)}"

    def to_json(self) -> dict[str, Any]:
        """The fields for `--json`: words as numbers of the tensor's type."""
        return {
            "tensor": self.tensor,
            "index": list(self.index),
            "expected": self.value(self.expected),
            "got": self.value(self.got),
        }

    def value(self, word: int) -> str:
        """`1.5 (0x3fc00000)`."""
        stored = from_words(np.array([word], np.uint64), self.dtype, ())
        kind = number_type(self.dtype)
        shown = stored if kind.stored == kind.values else to_float64(stored, self.dtype)
        return f"{shown.item()!r} ({word:#0{2 + -(-kind.bits // 4)}x})"


@dataclass(frozen=True)
class Distance:
    """The largest distances over all elements."""

    max_abs: float
    max_rel: float
    max_ulp: float
    pcc: float | None


@dataclass(frozen=True)
class Comparison:
    """`first_mismatch` is None when every bit agrees. The `float64` figures are None when that was not measured."""

    first_mismatch: Mismatch | None
    torch: Distance
    hardware_float64_max_abs: float | None
    torch_float64_max_abs: float | None

    @property
    def bit_exact(self) -> bool:
        """Whether every bit agrees, NaNs canonical."""
        return self.first_mismatch is None

    def to_json(self) -> dict[str, Any]:
        """The fields of `simulate --json` that come from comparing."""
        fields: dict[str, Any] = {
            "bit_exact": self.bit_exact,
            "first_mismatch": None if self.first_mismatch is None else self.first_mismatch.to_json(),
            "max_abs_err": _finite(self.torch.max_abs),
            "max_rel_err": _finite(self.torch.max_rel),
            "max_ulp": _finite(self.torch.max_ulp),
            "pcc": self.torch.pcc,
        }
        if self.hardware_float64_max_abs is not None and self.torch_float64_max_abs is not None:
            fields["torch_float64"] = {
                "hw_max_abs_err": _finite(self.hardware_float64_max_abs),
                "torch_max_abs_err": _finite(self.torch_float64_max_abs),
            }
        return fields


def compare(results: Sequence[Result]) -> Comparison:
    """Every output of every run. Shapes must be equal: nothing is reshaped to make a comparison fit."""
    mismatches = (first_mismatch(result.name, result.dtype, result.reference, result.hardware) for result in results)
    wide = [result for result in results if result.torch_float64 is not None]
    measured = len(wide) == len(results)
    return Comparison(
        first_mismatch=next((mismatch for mismatch in mismatches if mismatch is not None), None),
        torch=distance([(result.hardware, result.torch, result.dtype) for result in results]),
        hardware_float64_max_abs=_float64_max_abs([(r.hardware, r) for r in wide]) if measured else None,
        torch_float64_max_abs=_float64_max_abs([(r.torch, r) for r in wide]) if measured else None,
    )


def first_wrong(results: Sequence[Result]) -> int:
    """The number of the first result with a bit that differs."""
    wrong = (first_mismatch(result.name, result.dtype, result.reference, result.hardware) for result in results)
    return next(number for number, mismatch in enumerate(wrong) if mismatch is not None)


def first_mismatch(name: str, dtype: str, expected: Array, got: Array) -> Mismatch | None:
    """The first element in row-major order whose bits differ."""
    assert expected.shape == got.shape, f"{name}: reference {expected.shape}, hardware {got.shape}"
    expected_words = canonicalise_nans(to_words(expected, dtype), dtype)
    got_words = canonicalise_nans(to_words(got, dtype), dtype)
    differing = np.flatnonzero(expected_words != got_words)
    if differing.size == 0:
        return None
    at = int(differing[0])
    index = tuple(int(i) for i in np.unravel_index(at, expected.shape))
    return Mismatch(name, index, dtype, int(expected_words[at]), int(got_words[at]))


def distance(pairs: Sequence[tuple[Array, Array, str]]) -> Distance:
    """The distance of each first array to the second, both stored as the dtype beside them."""
    max_abs = max_rel = max_ulp = 0.0
    ours: list[Values] = []
    theirs: list[Values] = []
    for got, expected, dtype in pairs:
        assert got.shape == expected.shape, f"hardware {got.shape}, PyTorch {expected.shape}"
        got_values, expected_values = to_float64(got, dtype).reshape(-1), to_float64(expected, dtype).reshape(-1)
        absolute = _absolute(got_values, expected_values)
        form = number_type(dtype).format
        smallest = 2.0 ** (1 - form.bias) if form is not None else 1.0
        scale = np.where(np.isfinite(expected_values), np.maximum(np.abs(expected_values), smallest), 1.0)
        with np.errstate(over="ignore"):
            relative = absolute / scale
        max_abs = max(max_abs, float(absolute.max(initial=0.0)))
        max_rel = max(max_rel, float(relative.max(initial=0.0)))
        max_ulp = max(max_ulp, _max_ulp(to_words(got, dtype), to_words(expected, dtype), dtype))
        finite = np.isfinite(got_values) & np.isfinite(expected_values)
        ours.append(got_values[finite])
        theirs.append(expected_values[finite])
    return Distance(max_abs, max_rel, max_ulp, _pearson(np.concatenate(ours), np.concatenate(theirs)) if ours else None)


def _absolute(got: Values, expected: Values) -> Values:
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(got - expected)
    return np.where(same, 0.0, np.where(np.isfinite(got) & np.isfinite(expected), difference, inf))


def _max_ulp(got: Words, expected: Words, dtype: str) -> float:
    form = number_type(dtype).format
    got, expected = canonicalise_nans(got, dtype), canonicalise_nans(expected, dtype)
    canonical_nan = np.uint64(form.nan) if form is not None else None
    differing = got != expected
    if canonical_nan is not None and bool((differing & ((got == canonical_nan) | (expected == canonical_nan))).any()):
        return inf
    got, expected = _ordinals(got[differing], dtype), _ordinals(expected[differing], dtype)
    return float(np.where(got > expected, got - expected, expected - got).max(initial=np.uint64(0)))


def _ordinals(words: Words, dtype: str) -> Words:
    """The values in their order as unsigned numbers, neighbours one apart and both zeros equal."""
    kind = number_type(dtype)
    sign = np.uint64(kind.sign_bit)
    if kind.is_float:
        return np.where(words & sign, sign - (words & ~sign), sign + words)
    return words ^ sign if kind.is_signed else words


def _pearson(left: Values, right: Values) -> float | None:
    if left.size == 0 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    left, right = left / np.abs(left).max(), right / np.abs(right).max()
    return float(np.clip(np.corrcoef(left, right)[0, 1], -1.0, 1.0))


def _float64_max_abs(pairs: Sequence[tuple[Array, Result]]) -> float:
    worst = 0.0
    for array, result in pairs:
        assert result.torch_float64 is not None
        absolute = _absolute(to_float64(array, result.dtype), result.torch_float64)
        worst = max(worst, float(absolute.max(initial=0.0)))
    return worst


def _finite(value: float) -> float | None:
    return None if isinf(value) else value
