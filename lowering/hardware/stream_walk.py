"""The walk over a tensor, a group a step (`dialects/stream_layout`): the offset in the banks, and the banks' numbers.

The offset is that of a group's first element. It grows by 1 where the step goes on to the next row of banks, otherwise
it returns to the start of the row: in a dimension of stride s it changes by 1 - s, because all later dimensions return
from their last offset to their first; by one more where that of their last group's first element is the one before
(`StreamLayout.lag`).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.dialects.stream_layout import Place, StreamLayout
from torch2hw.lowering.hardware.hw_module import bits_for, counter, equals, plus
from torch2hw.lowering.hardware.hw_text import HwBody


class Walk:
    """`offset`: a signal of `offset_bits` bits ("" for none). `digits`: for each of the layout's steps with banks, the
    number of the step modulo the factor, with its width and the factor. `last`: whether this is the last group.

    It goes on with `step`; `restart`, and the body's reset, begin anew."""

    def __init__(self, body: HwBody, layout: StreamLayout, step: str, restart: str) -> None:
        self.digits: list[tuple[str, int, int]] = []
        self.offset_bits = bits_for(layout.buffer.bank_elements)
        self.offset = body.name("offset") if self.offset_bits else ""
        reset = body.any_of(body.reset, restart)
        at_end: list[str] = []
        wraps: list[str] = []  # of each dimension but the first: whether it is at its last group
        turns: list[str] = []  # of each dimension: whether the next group begins in the next row of banks
        indices: list[str] = []
        carries = [body.name(f"carry{place}") for place in range(len(layout.steps))]
        for place, steps in enumerate(layout.steps):
            moves = body.all_of(step, carries[place])
            if place:
                index, wrap = counter(body, f"index{place}", steps.count, moves, restart)
                indices.append(index)
                wraps.append(wrap)
            advance = body.one
            if steps.factor > 1:
                width = bits_for(steps.factor)
                whole = steps.factor == 1 << width
                if place and whole and bits_for(steps.count) >= width:
                    digit = body.extract(indices[-1], 0, width, bits_for(steps.count))
                else:
                    digit = body.name(f"bank{place}")
                    turn = equals(body, digit, steps.factor - 1, width)
                    following = plus(body, digit, 1, width)
                    back = body.any_of(wraps[-1] if place else body.zero, body.zero if whole else turn)
                    following = body.choose(back, body.constant(0, width), following, width)
                    body.register(digit, following, width, enable=moves, reset=reset)
                advance = body.any_of(
                    *(equals(body, digit, at, width) for at, goes_on in enumerate(steps.advances) if goes_on)
                )
                self.digits.append((digit, width, steps.factor))
                at_end.append(equals(body, digit, (steps.count - 1) % steps.factor, width))
            turns.append(advance)
        for place, carry in enumerate(carries):
            body.define(carry, f"hw.wire {body.all_of(*wraps[place:])} : i1")
        if self.offset:
            bits = self.offset_bits
            change = body.constant(1, bits)
            for place, steps in enumerate(layout.steps):
                lag = layout.lag if place + 1 < len(layout.steps) else 0
                back = body.constant((1 - steps.stride + lag) % (1 << bits), bits)
                own = body.choose(turns[place], body.constant((1 + lag) % (1 << bits), bits), back, bits)
                change = body.choose(wraps[place - 1], change, own, bits) if place else own
            body.register(self.offset, plus(body, self.offset, change, bits), bits, enable=step, reset=reset)
            at_end.append(equals(body, self.offset, layout.buffer.bank_elements - 1 - layout.lag, bits))
        self.last = body.all_of(*at_end)

    def place(self, body: HwBody, places: Sequence[Place]) -> str:
        """The offset in a bank that has these places; "" for no bits."""
        behind = body.any_of(*(self.is_at(body, place.turn) for place in places if place.row))
        if not self.offset:
            return ""
        return body.choose(behind, plus(body, self.offset, 1, self.offset_bits), self.offset, self.offset_bits)

    def is_at(self, body: HwBody, turn: tuple[int, ...]) -> str:
        """Whether the group is in the banks with these numbers of `Place.turn`."""
        pairs = zip(self.digits, turn, strict=True)
        return body.all_of(*(equals(body, digit, number, width) for (digit, width, _), number in pairs))
