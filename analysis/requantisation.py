"""The way from an integer to a code of another scale: in floats, as PyTorch writes it, and in fixed point.

The real number that is rounded to a code is at most MAX_ERROR steps from that of the floats, so the code is at most one
step off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.constant_values import Known, product, values_of
from torch2hw.analysis.quantised_values import Made, Quantised, clamped, code_of, number, with_factor, without_offset
from torch2hw.dialects.loops import Constant, Loop, Operation, Statement
from torch2hw.dialects.number_types import number_type
from torch2hw.hwlib.requantise import MULTIPLIERS, SHIFTS

MAX_ERROR = 1 / 16


@dataclass(frozen=True)
class Chain:
    """A code that is made of an integer: quantised(clamp(((`total` - `zero`) · `scales` + `bias`) · `outer`, `low`,
    `high`)), where `scales` and `outer` are products."""

    code: Operation
    quantised: Quantised
    total: Operation
    zero: int
    scales: tuple[Known, ...]
    bias: Known | None
    outer: tuple[Known, ...]
    low: float
    high: float

    @property
    def known(self) -> list[Known]:
        """All that is constant in it."""
        return [*self.scales, *self.outer, self.quantised.factor, *([] if self.bias is None else [self.bias])]


def chain_of(statement: Statement, made: Made) -> Chain | None:
    """The way from an integer to the code, if the statement is such a code."""
    code = code_of(statement, made)
    if code is None or not isinstance(statement, Operation):
        return None
    value, low, high = clamped(code.value, made)
    value, scales = scaled(value, made)
    biased = with_factor(value, made, "arith.addf")
    bias: Known | None = None
    outer: tuple[Known, ...] = ()
    if biased is not None:
        (value, bias), outer = biased, scales
        value, scales = scaled(value, made)
    if not scales:
        return None
    value, zero = without_offset(value, made)
    total = made.get(value)
    if not (isinstance(total, Operation) and total.name in ("arith.sitofp", "arith.uitofp")):
        return None
    return Chain(statement, code, total, zero, scales, bias, outer, low, high)


def scaled(name: str, made: Made) -> tuple[str, tuple[Known, ...]]:
    """A value without the constants that it is multiplied with or divided by, and these factors."""
    factors: list[Known] = []
    while True:
        found = with_factor(name, made)
        if found is not None:
            name, factor = found
            factors.append(factor)
            continue
        quotient = made.get(name)
        if not isinstance(quotient, Operation) or quotient.name != "arith.divf":
            return name, tuple(factors)
        divisor = number(made.get(quotient.operands[1]))
        if not divisor:
            return name, tuple(factors)
        name = quotient.operands[0]
        factors.append(Constant(f"{quotient.result}_factor", "f32", number_type("f32").pattern(1 / divisor)))


@dataclass(frozen=True)
class Fixed:
    """A requantisation in integers: `multipliers` of that type and `biases`, an axis for each of `loops`."""

    type: str
    multipliers: NDArray[np.int64]
    biases: NDArray[np.int64]
    shift: int
    low: int
    high: int


def fixed_point(
    chain: Chain, loops: list[Loop], bits: int, wanted: Sequence[int], types: Sequence[str] = MULTIPLIERS
) -> Fixed | None:
    """The requantisation of a total of so many bits, with the first of these types of multipliers that is precise
    enough: with the first of the shifts in `wanted` that is, else with the largest that fits."""
    scales = product(chain.scales, loops)
    factors = scales * product([*chain.outer, chain.quantised.factor], loops)
    if not np.isfinite(factors).all() or factors.min() <= 0:
        return None
    biases = np.full(factors.shape, -float(chain.zero))
    if chain.bias is not None:
        biases = biases + values_of(chain.bias, loops).astype(np.float64) / scales
    if np.abs(biases).max(initial=0) >= float(1 << 31):
        return None
    code = chain.quantised
    reach = np.minimum(2.0 ** (bits - 1), (code.high - code.low + 1) / factors)  # beyond, the code is a bound anyway
    rounded = 0.5 * factors if chain.bias is not None else np.zeros_like(factors)
    bounds = code_bounds(code, chain.low, chain.high, loops)
    if bounds is None:
        return None
    for dtype in types:
        magnitude = number_type(dtype).bits - 1
        largest = magnitude - 1 - int(np.floor(np.log2(factors.max())))
        for shift in (*wanted, largest, largest - 1):
            if shift not in SHIFTS or shift > largest:
                continue
            multipliers = np.round(factors * 2.0**shift)
            error = reach * np.abs(multipliers * 2.0**-shift - factors) + rounded
            if multipliers.max() < 1 << magnitude and error.max() <= MAX_ERROR:
                return Fixed(dtype, multipliers.astype(np.int64), np.round(biases).astype(np.int64), shift, *bounds)
    return None


def code_bounds(code: Quantised, low: float, high: float, loops: list[Loop]) -> tuple[int, int] | None:
    """The bounds of a code whose number is clamped; None where a clamp is another code in other channels."""
    factors = values_of(code.factor, loops)
    factor = float(factors.reshape(-1)[0])
    if not (factors == factor).all() and any(np.isfinite(edge) and edge != 0 for edge in (low, high)):
        return None
    ends = ((low, code.low), (high, code.high))
    least, greatest = (
        int(np.clip(np.round(edge * factor) + code.zero, code.low, code.high)) if np.isfinite(edge) else other
        for edge, other in ends
    )
    return least, greatest
