"""Division and square root by iteration, rounded correctly: the recurrences of float_div and float_sqrt.

Division keeps 2w in a register of s + 1 bits (the sign of w apart, as the quotient's last bit) and takes s + 2 steps;
the square root takes two bits of the radicand in each of s + 1 steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .bits import Bits, add_carry, cat, mux
from .float_div import denormalised, normalised
from .float_round import finish
from .formats import Format, unpack
from .iterative import State


@dataclass(frozen=True)
class Division:
    """Division: its operands are the dividend and the divisor."""

    form: Format
    flush: bool

    @property
    def steps(self) -> int:
        """A quotient bit each: the significand, a guard bit, and one that normalising may shift out."""
        return self.form.significand_bits + 2

    def widths(self) -> Mapping[str, int]:
        """Twice the remainder, the sign of the one before, quotient, divisor; exponent field and special cases."""
        s_bits, width = self.form.significand_bits, self.form.exponent_bits + 2
        return {"twice": s_bits + 1, "positive": 1, "quotient": s_bits + 2, "divisor": s_bits, "field": width,
                "sign": 1, "zero": 1, "infinite": 1, "nan": 1}  # fmt: skip

    def load(self, operands: tuple[Bits, ...]) -> State:
        """The state before the first step: twice the remainder is the dividend."""
        left, right = operands
        form, width, g = self.form, self.form.exponent_bits + 2, left.graph
        a, b = unpack(left, form, self.flush), unpack(right, form, self.flush)
        dividend, left_field = normalised(a, self.flush, width)
        divisor, right_field = normalised(b, self.flush, width)
        nan = a.nan | b.nan | (a.zero & b.zero) | (a.ones & b.ones)
        return {
            "twice": cat(g.const(0, 1), dividend),
            "positive": g.const(1, 1),
            "divisor": divisor,
            "field": left_field - right_field + (form.bias - 1),
            "sign": a.sign ^ b.sign,
            "zero": a.zero | b.ones,
            "infinite": (a.ones | b.zero) & ~(a.zero | b.ones),
            "nan": nan,
        }

    def step(self, state: State) -> State:
        """One quotient bit: the divisor is subtracted from a positive remainder, added to a negative one."""
        positive, size = state["positive"], self.form.significand_bits + 1
        change = state["divisor"].zext(size) ^ positive.rep(size)
        remainder = add_carry(state["twice"], change, positive)
        bit = ~remainder.top(1)
        return {
            "twice": cat(remainder.bits(0, size - 1), positive.graph.const(0, 1)),
            "positive": bit,
            "quotient": cat(state["quotient"].bits(0, size), bit),
        }

    def result(self, state: State) -> Bits:
        """The quotient rounded, its sticky bit from the corrected remainder."""
        form, s_bits, f_bits = self.form, self.form.significand_bits, self.form.fraction_bits
        rest = state["twice"].drop(1) + mux(state["positive"], 0, state["divisor"])
        quotient = state["quotient"]
        large = quotient.top(1)
        kept = mux(large, quotient.top(s_bits + 1), quotient.bits(0, s_bits + 1))
        sticky = rest.any() | (large & quotient.bit(0))
        field, sign = state["field"], state["sign"]
        special = (state["zero"], state["infinite"], state["nan"])
        if self.flush:
            round_up = kept.bit(0) & (sticky | kept.bit(1))
            return finish(form, self.flush, sign, field, kept.bits(1, f_bits), round_up, *special, large)
        field, kept, sticky = denormalised(field + large.zext(field.width), kept, sticky)
        round_up = kept.bit(0) & (sticky | kept.bit(1))
        field = field - 1 + kept.top(1).zext(field.width)
        return finish(form, self.flush, sign, field, kept.bits(1, f_bits), round_up, *special)


@dataclass(frozen=True)
class SquareRoot:
    """For formats whose roots are normal (see float_sqrt)."""

    form: Format
    flush: bool

    @property
    def steps(self) -> int:
        """A root bit each: the significand and a guard bit."""
        return self.form.significand_bits + 1

    def widths(self) -> Mapping[str, int]:
        """Remainder and the sign of the one before, root, digits of the radicand to come; exponent field and special
        cases.
        """
        s_bits = self.form.significand_bits
        return {"remainder": s_bits + 3, "positive": 1, "root": s_bits + 1, "digits": s_bits + 1 + (s_bits + 1) % 2,
                "field": self.form.exponent_bits + 2, "sign": 1, "zero": 1, "infinite": 1, "nan": 1}  # fmt: skip

    def load(self, operands: tuple[Bits, ...]) -> State:
        """The state before the first step. AssertionError where the root of a subnormal may be subnormal."""
        (value,) = operands
        form, width, g = self.form, self.form.exponent_bits + 2, value.graph
        assert self.flush or form.fraction_bits < form.bias, "the root of a subnormal may be subnormal"
        a = unpack(value, form, self.flush)
        significand, exponent = normalised(a, self.flush, width)
        twice = exponent + form.bias
        zero1 = g.const(0, 1)
        radicand = mux(twice.bit(0), cat(significand, zero1), cat(zero1, significand))
        return {
            "remainder": g.const(0, form.significand_bits + 3),
            "positive": g.const(1, 1),
            "root": g.const(0, form.significand_bits + 1),
            "digits": radicand.shl(radicand.width % 2),
            "field": cat(twice.top(1), twice.drop(1)),
            "sign": a.sign,
            "zero": a.zero,
            "infinite": a.infinite,
            "nan": a.nan | (a.sign & ~a.zero),
        }

    def step(self, state: State) -> State:
        """One root bit, from two bits of the radicand."""
        positive, root, digits = state["positive"], state["root"], state["digits"]
        g, size = positive.graph, self.form.significand_bits + 3
        shifted = cat(state["remainder"].bits(0, size - 2), digits.top(2))
        remainder = shifted + cat(root ^ positive.rep(root.width), g.const(3, 2))
        bit = ~remainder.top(1)
        return {
            "remainder": remainder,
            "positive": bit,
            "root": cat(root.bits(0, root.width - 1), bit),
            "digits": cat(digits.bits(0, digits.width - 2), g.const(0, 2)),
        }

    def result(self, state: State) -> Bits:
        """The root rounded by its guard bit alone: no root is half way between two floats."""
        root, f_bits = state["root"], self.form.fraction_bits
        special = (state["zero"], state["infinite"], state["nan"])
        return finish(self.form, self.flush, state["sign"], state["field"], root.bits(1, f_bits), root.bit(0), *special)
