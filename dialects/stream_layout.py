"""How a tensor travels in the beats of a stream, and how its elements move between a beat and the banks.

Elements are in row-major order, each in `element_bits` bits (8, 16, 32 or 64), the first in the lowest bits of the
first beat. `lanes` consecutive elements, a *group*, move in one cycle: they lie in different banks, at one offset.

A group is a box of elements: whole trailing dimensions, and `chunk` indices of the dimension before them. Lanes are a
power of two, so that a beat holds whole groups. To move groups is to walk over the tensor with `lanes` elements in
place of one, and the banks of a group in place of one bank: `steps` has the dimensions of that walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from torch2hw.dialects.loops import Buffer
from torch2hw.dialects.number_types import number_type

ELEMENT_BITS = (8, 16, 32, 64)


@dataclass(frozen=True)
class Steps:
    """A dimension of the walk: `count` groups, of which every `factor`-th is in the same banks. `dimension` is the
    tensor's, the last one where several without banks are joined; `stride` is the offset from one row of banks to the
    next."""

    dimension: int
    count: int
    factor: int
    stride: int


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
            while whole * chunk <= self.elements_per_beat and factor % chunk == 0:
                if whole * chunk > best[0] and (size % chunk == 0 or is_first):
                    best = (whole * chunk, number, chunk)
                chunk *= 2
            whole *= size
            if size != factor or whole & (whole - 1):
                break
        return best

    @cached_property
    def steps(self) -> tuple[Steps, ...]:
        """The dimensions of the walk, the slowest first; those of one group are left out."""
        _, divided, chunk = self._box
        joined: list[tuple[int, int, int]] = []  # dimension, groups, factor
        for number, (size, factor) in enumerate(zip(self.buffer.shape, self.buffer.bank_factors, strict=True)):
            if number > divided:
                break
            if number == divided:
                size, factor = -(-size // chunk), factor // chunk
            if size == 1:
                continue
            if factor == 1 and joined and joined[-1][2] == 1:
                joined[-1] = number, joined[-1][1] * size, 1
            else:
                joined.append((number, size, factor))
        found: list[Steps] = []
        stride = 1
        for number, count, factor in reversed(joined):
            found.append(Steps(number, count, factor, stride))
            stride *= -(-count // factor)
        return tuple(reversed(found))

    def banks(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Each bank's number; the lane that it gives or takes; and for each of `steps` that has banks, in their order,
        the number of the step, modulo the factor, in which it does."""
        _, divided, chunk = self._box
        shape = self.buffer.shape
        where = [step.dimension for step in self.steps if step.factor > 1]
        for number, digits in enumerate(product(*(range(factor) for factor in self.buffer.bank_factors))):
            inside = [digits[divided] % chunk, *digits[divided + 1 :]] if divided < len(shape) else []
            sizes = [chunk, *shape[divided + 1 :]] if divided < len(shape) else []
            turns = [digits[place] // chunk if place == divided else digits[place] for place in where]
            yield number, _row_major(inside, sizes), tuple(turns)


def interval_cycles(latency_cycles: int, layouts: Iterable[StreamLayout]) -> int:
    """Cycles from one result to the next in the steady state, where neither side of a stream waits."""
    return max([latency_cycles + 1, *(layout.cycles for layout in layouts)])


def _row_major(digits: list[int], sizes: list[int]) -> int:
    return sum(digit * prod(sizes[place + 1 :]) for place, digit in enumerate(digits))
