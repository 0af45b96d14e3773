"""Integers of products: the product of two narrow integers, and the way from a sum of products back to narrow codes.

    requantise(total, multiplier, zero, low, high) = clamp(round(total · multiplier / 2^shift) + zero, low, high)

rounds to nearest even and is exact before that. `shift` is fixed for a unit, all else are operands, of which a kernel
mostly has constants; synthesis then makes little of the comparisons. With a total of at most 27 bits and a multiplier
of 18 (both signed) the product is one DSP block. A `Requantisation` multiplies by two bits a cycle, on an adder, or by
four, on two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .bits import Bits, add_carry, cat, muls, mux
from .iterative import State

MULTIPLIERS = ("i16", "i18")
"""Types of the multiplier, the shorter one first: it has a digit less, so that four bits a cycle take four cycles."""
LEVEL = "i10"  # of the zero point and the bounds: codes of int8 and of uint8
MAX_STEP_DIGITS = 2
"""The sums of three digits, one after the other, take longer than a cycle of 3.33 ns."""
SHIFTS = tuple(range(1, 48))
"""The binary places that units may drop."""


def product(left: Bits, right: Bits, width: int) -> Bits:
    """The exact signed product, sign-extended to a result of `width` bits."""
    return muls(left, right).sext(width)


def requantise(total: Bits, multiplier: Bits, zero: Bits, low: Bits, high: Bits, shift: int, width: int) -> Bits:
    """The low `width` bits of the result; `low` ≤ `high`."""
    return rounded(muls(total, multiplier), zero, low, high, shift, width)


def rounded(exact: Bits, zero: Bits, low: Bits, high: Bits, shift: int, width: int) -> Bits:
    """The result from the product."""
    if exact.width <= shift:
        exact = exact.sext(shift + 1)
    floor = exact.drop(shift)
    up = exact.bit(shift - 1) & (floor.bit(0) | _any_below(exact, shift - 1))
    wide = max(floor.width, zero.width) + 1  # `up` moves nothing past a bound: no comparison waits for it
    steps = floor.sext(wide) + zero.sext(wide)
    below, inside = steps.slt(low.sext(wide)), steps.slt(high.sext(wide))
    nearest = steps.bits(0, width) + up.zext(width)
    kept = mux(inside, nearest, high.bits(0, width))
    return mux(below, low.bits(0, width), kept)


def _any_below(value: Bits, count: int) -> Bits:
    """Whether one of the `count` lowest bits is set."""
    return value.bits(0, count).any() if count else value.graph.const(0, 1)


@dataclass(frozen=True)
class Requantisation:
    """The iterative unit: Booth's recoding of the multiplier into digits of two bits, the lowest first.

    A step adds `digits` of them, but no more than MAX_STEP_DIGITS. The last step is part of `result`, so that the next
    operands come in its cycle. What digits are left then, the highest, are added in the pipeline behind the step.

    The state: `sum` above the bits of the product that are settled, which take the places in `rest` that the bits of
    the multiplier leave. A digit of -2 to 2 is that of three bits; the lowest of the first three is a 0 below.
    """

    total_bits: int
    multiplier_bits: int
    level_bits: int
    shift: int
    result_bits: int
    digits: int = 1

    @property
    def steps(self) -> int:
        """All but the one of the result."""
        return -(-self.all_digits // self.digits) - 1

    @property
    def all_digits(self) -> int:
        """Of the multiplier."""
        return -(-self.multiplier_bits // 2)

    @property
    def step_digits(self) -> int:
        """That one step adds."""
        return min(self.digits, MAX_STEP_DIGITS)

    @property
    def last_digits(self) -> int:
        """That are added after the steps."""
        return max(0, self.all_digits - self.step_digits * (self.steps + 1))

    @property
    def places(self) -> int:
        """Bits of the product that are settled in the end: those of the digits."""
        return 2 * (self.step_digits * (self.steps + 1) + self.last_digits)

    def widths(self) -> Mapping[str, int]:
        """The sum is less than three totals."""
        level = self.level_bits
        return {"sum": self.total_bits + 2, "rest": self.places + 1, "total": self.total_bits,
                "zero": level, "low": level, "high": level}  # fmt: skip

    def load(self, operands: tuple[Bits, ...]) -> State:
        """Nothing is summed up yet."""
        total, multiplier, zero, low, high = operands
        nothing = total.graph.const(0, self.total_bits + 2)
        rest = multiplier.sext(self.places).shl(1)
        return {"sum": nothing, "rest": rest, "total": total, "zero": zero, "low": low, "high": high}

    def step(self, state: State) -> State:
        """The digits' multiples of the total are added, one after the other."""
        return self._added(state, self.step_digits)

    def _added(self, state: State, digits: int) -> State:
        """The sum and the rest after so many digits."""
        for _ in range(digits):
            state = {**state, **self._digit(state)}
        return {name: state[name] for name in ("sum", "rest")}

    def _digit(self, state: State) -> State:
        """One digit's multiple of the total is added; two more bits of the product are settled."""
        total, rest, width = state["total"], state["rest"], self.total_bits + 2
        below, one, negative = (rest.bit(place) for place in range(3))
        sign = negative.rep(width)
        once, twice = total.sext(width) ^ sign, total.shl(1).sext(width) ^ sign
        multiple = mux(below ^ one, once, mux(one ^ negative, twice, sign))
        added = add_carry(state["sum"], multiple, negative)
        settled = cat(added.bits(0, 2), rest.drop(2))
        return {"sum": added.drop(2).sext(width), "rest": settled}

    def result(self, state: State) -> Bits:
        """After the last digits. The lowest bit of `rest` is then no bit of the product."""
        state = {**state, **self._added(state, self.step_digits + self.last_digits)}
        exact = cat(state["sum"], state["rest"].drop(1)).bits(0, self.total_bits + self.multiplier_bits)
        return rounded(exact, state["zero"], state["low"], state["high"], self.shift, self.result_bits)
