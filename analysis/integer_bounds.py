"""What a sum of quantised numbers is at least and at most, and what its zero points add to it.

With constant weights w of zero point 0 after they have been moved, Σ (x - z)·w = Σ x·w - z·Σ w, and the sum is at most
Σ w⁺ times the greatest x - z, less Σ w⁻ times the least. Without constants it is the iterations times the largest
product. In two's complement only the result has to fit: what is added on the way may wrap around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from torch2hw.analysis.constant_values import Known, loops_of, product, values_of
from torch2hw.analysis.quantised_values import Decoded
from torch2hw.dialects.loops import Kernel, Load, Loop
from torch2hw.dialects.number_types import Array

SCALE_ERROR = 2.0**-22
"""How far the product of two scales, rounded to a float, may be from itself."""


@dataclass(frozen=True)
class Bounds:
    """`low` and `high` of the sum, and `start`, what it begins with so that codes can be multiplied as they are: an
    axis for each of `loops`."""

    low: Array
    high: Array
    start: Array
    loops: tuple[Loop, ...]


def terms_in(kernel: Kernel) -> int:
    """How many terms a sum of the first stage has."""
    return prod(loop.extent for loop in kernel.reduction_loops(0))


def span(term: Decoded) -> tuple[int, int]:
    """The least and the greatest code less its zero point."""
    least, greatest = term.range
    return least - term.zero, greatest - term.zero


def of_products(left: Decoded, right: Decoded, kernel: Kernel) -> Bounds:
    """A sum of products of numbers whose zero points are taken away before."""
    corners = [a * b * terms_in(kernel) for a in span(left) for b in span(right)]
    return Bounds(np.array(min(*corners, 0)), np.array(max(*corners, 0)), np.array(0), ())


def of_numbers(term: Decoded, kernel: Kernel) -> Bounds:
    """A sum of codes."""
    count = terms_in(kernel)
    least, greatest = (edge * count for edge in span(term))
    return Bounds(np.array(min(least, 0)), np.array(max(greatest, 0)), np.array(-term.zero * count), ())


def of_weighted(term: Decoded, weights: Load, zero: int, kernel: Kernel) -> Bounds:
    """A sum of codes times constant weights, from which their zero point is taken away before."""
    loops = loops_of([weights], kernel)
    values = values_of(weights, loops).astype(np.int64) - zero
    axes = tuple(number for number, loop in enumerate(loops) if loop.reduced_by == 0)
    inside = prod(loops[axis].extent for axis in axes)
    repeated = terms_in(kernel) // inside
    positive = np.where(values > 0, values, 0).sum(axis=axes) * repeated
    negative = np.where(values < 0, -values, 0).sum(axis=axes) * repeated
    least, greatest = span(term)
    least, greatest = min(least, 0), max(greatest, 0)
    low, high = positive * least - negative * greatest, positive * greatest - negative * least
    outer = tuple(loop for loop in loops if loop.reduced_by != 0)
    return Bounds(low, high, -term.zero * (positive - negative), outer)


def with_bias(bounds: Bounds, bias: Known, scales: Sequence[Known], kernel: Kernel) -> tuple[int, int]:
    """The least and the greatest of a sum with `bias`, in steps of the product of the scales, rounded outwards; without
    it where the bias has no such number."""
    loops = loops_of([bias, *scales], kernel)
    steps = values_of(bias, loops).astype(np.float64) / product(scales, loops)
    low, high = int(bounds.low.min()), int(bounds.high.max())
    if not np.isfinite(steps).all() or np.abs(steps).max() > float(1 << 40):
        return low, high
    steps = steps * (1 + SCALE_ERROR)
    return low + min(0, int(np.floor(steps.min())) - 1), high + max(0, int(np.ceil(steps.max())) + 1)
