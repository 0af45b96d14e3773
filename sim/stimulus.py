"""Values to test with, in stored form: ordinary ones, and those at the edges of a format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from torch2hw.analysis.stored_arrays import Array, Words, from_words
from torch2hw.dialects.number_types import number_type
from torch2hw.hwlib.formats import Format

INPUT_SETS = ("the example inputs", "random inputs", "zeros, subnormals and large numbers", "infinities and NaNs")


class Tensor(Protocol):
    """What stimulus is made for: the element format and shape of a tensor."""

    @property
    def dtype(self) -> str:
        """The name of a number type."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""


def input_sets(
    ports: Sequence[Tensor], example: Sequence[Array], random: np.random.Generator, free: Sequence[bool] | None = None
) -> list[list[Array]]:
    """The example; ordinary values; finite edges among them; infinities and NaNs here and there (`INPUT_SETS`).

    Integers and booleans keep the example's values in another order, which keeps indices in range, but for those that
    are `free` (`free_inputs`; none by default): they get any bits, and the ends of their range.
    """
    assert len(example) == len(ports)
    free = [False] * len(ports) if free is None else free
    filled = [number_type(port.dtype).is_float or any_bits for port, any_bits in zip(ports, free, strict=True)]

    def another(port: Tensor, array: Array, fills: bool) -> Array:
        if fills:
            return ordinary(port.dtype, port.shape, random)
        return random.permutation(array.reshape(-1)).reshape(port.shape)

    plain = [another(port, array, fills) for port, array, fills in zip(ports, example, filled, strict=True)]
    sets = [list(example), plain]
    for share, edges in ((0.3, finite_edges), (0.02, special_edges)):
        sets.append(
            [
                sprinkled(array, port.dtype, share, edges(port.dtype), random) if fills else another(port, array, fills)
                for port, array, fills in zip(ports, plain, filled, strict=True)
            ]
        )
    return sets


def ordinary(dtype: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Normally distributed floats; any bits for integers."""
    kind = number_type(dtype)
    if not kind.is_float:
        return from_words(_any_bits(kind.bits, int(np.prod(shape)), random), dtype, shape)
    values = np.asarray(random.standard_normal(shape), np.float32)
    return kind.bits_of(values.astype(kind.values)).view(kind.stored).reshape(shape)


def sprinkled(array: Array, dtype: str, share: float, words: Words, random: np.random.Generator) -> Array:
    """`array` with that share of its elements replaced by `words` in turn; each word is used where there is room."""
    flat = array.reshape(-1).copy()
    count = min(flat.size, max(len(words) if flat.size >= 2 * len(words) else 1, round(share * flat.size)))
    places = random.choice(flat.size, count, replace=False)
    chosen = np.resize(words, count) if count >= len(words) else random.choice(words, count)
    flat[places] = from_words(chosen, dtype, (count,))
    return flat.reshape(array.shape)


def negative_zeros(array: Array, dtype: str) -> Array:
    """-0 everywhere, of which a sum keeps the sign if it starts with one; integers as they are."""
    kind = number_type(dtype)
    return from_words(np.full(array.size, np.uint64(kind.sign_bit)), dtype, array.shape) if kind.is_float else array


def finite_edges(dtype: str) -> Words:
    """Zeros, subnormals, the smallest normals, one and its neighbours, the largest; for integers their extremes."""
    kind = number_type(dtype)
    sign, form = kind.sign_bit, kind.format
    if form is None:
        limits = {0, 1, sign - 1, sign, 2 * sign - 1} if kind.bits > 1 else {0, 1}
        return np.array(sorted(limits), np.uint64)
    smallest, one = 1 << form.fraction_bits, form.one()
    positive = [0, 1, smallest >> 1, smallest - 1, smallest, smallest + 1, one - 1, one, one + 1, form.infinity - 1]
    return np.array([word | s for word in positive for s in (0, sign)], np.uint64)


def special_edges(dtype: str) -> Words:
    """Infinities and NaNs of both signs; nothing for integers."""
    kind = number_type(dtype)
    sign, form = kind.sign_bit, kind.format
    if form is None:
        return finite_edges(dtype)
    return np.array([form.infinity, sign | form.infinity, form.nan, sign | form.infinity | 1], np.uint64)


def operands(dtypes: tuple[str, ...], count: int, random: np.random.Generator) -> list[Array]:
    """Vectors for a function unit: edges crossed with edges, close values, factors whose product is halfway between two
    numbers, and any bits; for one float besides them numbers of the sizes that functions are computed for."""
    columns = [_operand(dtype, count, random) for dtype in dtypes]
    kind = number_type(dtypes[0])
    form = kind.format
    if dtypes[:1] == dtypes[1:2] and kind.bits > 1:
        near = random.random(count) < 0.3  # cancellation, ties, equal values
        nudge = random.integers(-3, 4, count).astype(np.int64).view(np.uint64)
        flip = random.integers(0, 2, count).astype(np.uint64) << np.uint64(kind.bits - 1)
        mask = np.uint64(kind.mask)
        columns[1] = np.where(near, ((columns[0] + nudge) ^ flip) & mask, columns[1])
        if form is not None:
            halfway, length = (
                random.random(count) < 0.1,
                random.integers(2, form.fraction_bits + 1, count).astype(np.uint64),
            )
            for column, bits in ((0, length), (1, np.uint64(form.fraction_bits + 2) - length)):
                columns[column] = np.where(halfway, _odd(columns[column], form, bits), columns[column])
    elif form is not None:
        columns[0] = np.where(random.random(count) < 0.7, _of_usual_size(form, count, random), columns[0])
    return [from_words(words, dtype, (count,)) for words, dtype in zip(columns, dtypes, strict=True)]


def _operand(dtype: str, count: int, random: np.random.Generator) -> Words:
    edges = np.unique(np.concatenate([finite_edges(dtype), special_edges(dtype)]))
    bits = _any_bits(number_type(dtype).bits, count, random)
    return np.where(random.random(count) < 0.4, random.choice(edges, count), bits)


def _odd(words: Words, format: Format, bits: Words) -> Words:
    """Numbers of these signs and exponents whose significands are odd numbers of so many bits."""
    unit = np.uint64(1) << (np.uint64(format.fraction_bits + 1) - bits.astype(np.uint64))
    odd: Words = (words & ~(unit - np.uint64(1))) | unit
    return odd


def of_any_size(dtype: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Floats of both signs from 2^-12 to 2^8; any bits for integers."""
    form = number_type(dtype).format
    if form is None:
        return ordinary(dtype, shape, random)
    return from_words(_of_usual_size(form, int(np.prod(shape)), random), dtype, shape)


def _of_usual_size(format: Format, count: int, random: np.random.Generator) -> Words:
    """Numbers of both signs from 2^-12 to 2^8."""
    exponents = random.integers(max(1, format.bias - 12), format.bias + 8, count).astype(np.uint64)
    sign = random.integers(0, 2, count).astype(np.uint64) << np.uint64(format.width - 1)
    fraction = random.integers(0, 1 << format.fraction_bits, count).astype(np.uint64)
    return sign | exponents << np.uint64(format.fraction_bits) | fraction


def _any_bits(width: int, count: int, random: np.random.Generator) -> Words:
    return (
        random.integers(0, 1 << width, count, np.uint64, endpoint=False)
        if width < 64
        else (random.integers(0, (1 << 64) - 1, count, np.uint64, endpoint=True))
    )
