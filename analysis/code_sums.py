"""Sums of codes of different scales, as residual connections have them, in fixed point.

    clamp(round((a - za)·sa + (b - zb)·sb) / s + z) = requantise(a·ma + b·mb - (za·ma + zb·mb), 1, z, low, high)

with ma / 2^shift = sa / s. What is rounded is at most MAX_ERROR steps from what the floats give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from torch2hw.analysis.constant_values import Known, product
from torch2hw.analysis.quantised_values import Decoded, Made, Quantised, clamped, code_of, decoded
from torch2hw.analysis.requantisation import MAX_ERROR, code_bounds, scaled
from torch2hw.dialects.loops import Loop, Operation, Statement
from torch2hw.hwlib.requantise import SHIFTS

MULTIPLIER_BITS = (13, 17)
"""As few as are precise enough: products with fewer are smaller where they are no DSP."""


@dataclass(frozen=True)
class CodeSum:
    """A code that is made of the sum of two numbers that codes stand for."""

    code: Operation
    quantised: Quantised
    terms: tuple[Decoded, Decoded]
    outer: tuple[Known, ...]
    low: float
    high: float

    @property
    def known(self) -> list[Known]:
        """All that is constant in it."""
        return [*(term.scale for term in self.terms), *self.outer, self.quantised.factor]


@dataclass(frozen=True)
class FixedSum:
    """`multipliers` for each term, an axis for each loop; `offsets` is what the zero points add."""

    multipliers: tuple[NDArray[np.int64], NDArray[np.int64]]
    offsets: NDArray[np.int64]
    shift: int
    low: int
    high: int


def code_sum_of(statement: Statement, made: Made) -> CodeSum | None:
    """The sum, if the statement makes a code of one."""
    code = code_of(statement, made)
    if code is None or not isinstance(statement, Operation):
        return None
    value, low, high = clamped(code.value, made)
    value, outer = scaled(value, made)
    total = made.get(value)
    if not (isinstance(total, Operation) and total.name == "arith.addf"):
        return None
    left, right = (decoded(name, made) for name in total.operands)
    return None if left is None or right is None else CodeSum(statement, code, (left, right), outer, low, high)


def fixed_sum(chain: CodeSum, loops: list[Loop]) -> FixedSum | None:
    """The sum in fixed point, if multipliers of so few bits are precise enough."""
    outer = product([*chain.outer, chain.quantised.factor], loops)
    factors = [product([term.scale], loops) * outer for term in chain.terms]
    largest = max(float(factor.max()) for factor in factors)
    bounds = code_bounds(chain.quantised, chain.low, chain.high, loops)
    if bounds is None or not np.isfinite(largest) or min(float(factor.min()) for factor in factors) <= 0:
        return None
    reach = [max(abs(edge - term.zero) for edge in term.range) for term in chain.terms]
    for bits in MULTIPLIER_BITS:
        shift = bits - 1 - int(np.floor(np.log2(largest)))
        multipliers = [np.round(factor * 2.0**shift) for factor in factors]
        pairs = zip(factors, multipliers, reach, strict=True)
        error = sum(most * np.abs(m * 2.0**-shift - factor).max() for factor, m, most in pairs)
        if shift in SHIFTS and error <= MAX_ERROR and max(m.max() for m in multipliers) < 1 << bits:
            left, right = (m.astype(np.int64) for m in multipliers)
            offsets = -chain.terms[0].zero * left - chain.terms[1].zero * right
            return FixedSum((left, right), offsets, shift, *bounds)
    return None
