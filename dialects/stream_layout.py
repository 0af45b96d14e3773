"""How a tensor travels in the beats of a stream, and how its elements move between a beat and the banks.

Elements are in row-major order, each in `element_bits` bits (8, 16, 32 or 64), the first in the lowest bits of the
first beat. `lanes` consecutive elements, a *group*, move in one cycle: they lie in different banks, at one offset.

A group is a box of elements: whole trailing dimensions, and `chunk` indices of the dimension before them. Lanes are a
power of two, so that a beat holds whole groups. To move groups is to walk over the tensor with `lanes` elements in
place of one, and the banks of a group in place of one bank: `steps` has the dimensions of that walk.

Where `chunk` does not divide the banks of its dimension (three banks, groups of two), some groups have their later
elements in the next row of banks, one offset on: `Place.row`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import gcd, prod
from typing import NamedTuple

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import number_type

ELEMENT_BITS = (8, 16, 32, 64)


@dataclass(frozen=True)
class Steps:
    """A dimension of the walk: `count` groups, of which every `factor`-th is in the same banks. `dimension` is the
    tensor's, the last one where several without banks are joined; `stride` is the offset from one row of banks to the
    next. `advances`: for each number of a step, modulo the factor, whether the next one begins in the next row."""

    dimension: int
    count: int
    factor: int
    stride: int
    advances: tuple[bool, ...]


class Place(NamedTuple):
    """Where a bank gives or takes an element: its lane, in a step with these numbers of `steps` that have banks, modulo
    their factors; `row` is 1 where it is in the row of banks behind that of the first lane."""

    bank: int
    lane: int
    turn: tuple[int, ...]
    row: int


@dataclass(frozen=True)
class StreamLayout:
    """The layout of `buffer` in beats of `data_bits`."""

    buffer: Buffer
    data_bits: int

    @property
    def element_bits(self) -> int:
        """Bits of an element in the stream."""
        return next(bits for bits in ELEMENT_BITS if bits >= self.buffer.width_bits)

    @property
    def is_signed(self) -> bool:
        """Whether a narrower element is sign-extended; otherwise zeros are above it."""
        return number_type(self.buffer.dtype).kind == "signed"

    @property
    def bytes(self) -> int:
        """Bytes of the tensor, without the padding of the last beat."""
        return self.buffer.elements * self.element_bits // 8

    @property
    def beats(self) -> int:
        """Beats of a packet."""
        return -(-self.bytes * 8 // self.data_bits)

    @property
    def last_bytes(self) -> int:
        """Bytes of the tensor in the last beat."""
        return self.bytes - (self.beats - 1) * self.data_bits // 8

    @property
    def beats_per_element(self) -> int:
        """More than 1 where elements are wider than beats."""
        return max(1, self.element_bits // self.data_bits)

    @property
    def elements_per_beat(self) -> int:
        """1 too where an element takes several beats."""
        return max(1, self.data_bits // self.element_bits)

    @property
    def groups_per_beat(self) -> int:
        """Cycles for which a whole beat is moved."""
        return self.elements_per_beat // self.lanes

    @property
    def groups(self) -> int:
        """Groups of the tensor; the last one may have fewer elements than lanes."""
        return -(-self.buffer.elements // self.lanes)

    @property
    def cycles(self) -> int:
        """Cycles in which a packet moves between the stream and the banks, when neither side waits."""
        return self.beats if self.beats_per_element > 1 else self.groups

    @property
    def lanes(self) -> int:
        """Elements of a group."""
        return self._box[0]

    @cached_property
    def _box(self) -> tuple[int, int, int]:
        """Lanes, the dimension that is divided (the later ones are whole), and its indices in a group."""
        dimensions = list(zip(self.buffer.shape, self.buffer.bank_factors, strict=True))
        best, whole = (1, len(dimensions), 1), 1
        for number in reversed(range(len(dimensions))):
            size, factor = dimensions[number]
            is_first = all(outer == 1 for outer, _ in dimensions[:number])
            chunk = 1
            while whole * chunk <= self.elements_per_beat and chunk <= factor:
                whole_groups = size % chunk == 0 or (is_first and self._padded_fits(size, factor, chunk))
                if whole * chunk > best[0] and whole_groups:
                    best = (whole * chunk, number, chunk)
                chunk *= 2
            whole *= size
            if size != factor or whole & (whole - 1):
                break
        return best

    @staticmethod
    def _padded_fits(size: int, factor: int, chunk: int) -> bool:
        """Whether the elements that the last group lacks would be in the dimension's last row of banks, too."""
        return -(-(-(-size // chunk) * chunk) // factor) == -(-size // factor)

    @property
    def lag(self) -> int:
        """Rows of banks from the first lane of the last group of a dimension to the dimension's last row: 0 or 1."""
        _, divided, chunk = self._box
        if divided == len(self.buffer.shape):
            return 0
        size, factor = self.buffer.shape[divided], self.buffer.bank_factors[divided]
        return (size - 1) // factor - (-(-size // chunk) - 1) * chunk // factor

    @cached_property
    def steps(self) -> tuple[Steps, ...]:
        """The dimensions of the walk, the slowest first; those of one group are left out."""
        _, divided, chunk = self._box
        joined: list[tuple[int, int, int, int, int]] = []  # dimension, groups, factor, rows, elements of a group
        for number, (size, factor) in enumerate(zip(self.buffer.shape, self.buffer.bank_factors, strict=True)):
            if number > divided:
                break
            rows, own = -(-size // factor), 1
            if number == divided:
                size, own, factor = -(-size // chunk), chunk, factor // gcd(factor, chunk)
            if size == 1:
                continue
            if factor == 1 and joined and joined[-1][2] == 1:
                joined[-1] = number, joined[-1][1] * size, 1, joined[-1][3] * rows, 1
            else:
                joined.append((number, size, factor, rows, own))
        found: list[Steps] = []
        stride = 1
        for number, count, factor, rows, own in reversed(joined):
            banks = self.buffer.bank_factors[number] if factor > 1 else own
            begins = [own * at // banks for at in range(factor + 1)]
            found.append(Steps(number, count, factor, stride, tuple(b > a for a, b in pairwise(begins))))
            stride *= rows
        return tuple(reversed(found))

    def places(self) -> Iterator[Place]:
        """Every place of every bank."""
        _, divided, chunk = self._box
        shape = self.buffer.shape
        where = [step.dimension for step in self.steps if step.factor > 1]
        periods = {step.dimension: step.factor for step in self.steps}
        for number, digits in enumerate(product(*(range(factor) for factor in self.buffer.bank_factors))):
            if divided == len(shape):
                yield Place(number, 0, tuple(digits[place] for place in where), 0)
                continue
            factor, sizes = self.buffer.bank_factors[divided], [chunk, *shape[divided + 1 :]]
            for at in range(periods.get(divided, 1)):
                first = at * chunk
                own = (digits[divided] - first) % factor
                if own >= chunk:
                    continue
                lane = _row_major([own, *digits[divided + 1 :]], sizes)
                turn = tuple(at if place == divided else digits[place] for place in where)
                yield Place(number, lane, turn, (first + own) // factor - first // factor)


def interval_cycles(latency_cycles: int, layouts: Iterable[StreamLayout]) -> int:
    """Cycles from one result to the next in the steady state, where neither side of a stream waits."""
    return max([latency_cycles + 1, *(layout.cycles for layout in layouts)])


def _row_major(digits: list[int], sizes: list[int]) -> int:
    return sum(digit * prod(sizes[place + 1 :]) for place, digit in enumerate(digits))
