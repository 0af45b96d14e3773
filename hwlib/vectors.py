"""Test vectors for one unit, the same on every run: all operands where they are few, else edges, neighbours, any bits.

Expected results come from exact arithmetic (`exact`) where the operation is correctly rounded or exact on floats; else
they are those of the unit's graph, its software model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random

from . import exact
from .bits import evaluate
from .catalogue import Listed
from .formats import float_format, type_width

ALL_UP_TO_BITS = 12  # with so many bits of operands, every one is a vector


@dataclass(frozen=True)
class Vectors:
    """`rows` hold the operands in port order and, last, the expected result. `oracle` says where that comes from."""

    rows: tuple[tuple[int, ...], ...]
    oracle: str


def vectors(listed: Listed, flush: bool, count: int, seed: int = 1) -> Vectors:
    """`count` vectors, or all that there are."""
    operands = _operands(listed.types[:-1], count, Random(seed))
    rows, exactly = [], True
    names = [port.name for port in listed.unit.inputs]
    for words in operands:
        expected = exact.result(listed.operation, listed.types, listed.predicate, flush, words)
        if expected is None:
            exactly = False
            expected = evaluate(listed.unit.schedule.output, dict(zip(names, words, strict=True)))
        rows.append((*words, expected))
    oracle = "exact rational arithmetic" if exactly else "the unit's software model"
    return Vectors(tuple(rows), oracle)


def _operands(types: tuple[str, ...], count: int, random: Random) -> list[tuple[int, ...]]:
    widths = [type_width(t) for t in types]
    if sum(widths) <= ALL_UP_TO_BITS:
        return list(product(*(range(1 << width) for width in widths)))
    edges = [_edges(t) for t in types]
    rows: list[tuple[int, ...]] = []
    while len(rows) < count:
        row = [_operand(e, w, random) for e, w in zip(edges, widths, strict=True)]
        if len(set(types)) == 1 and len(row) > 1 and random.random() < 0.4:  # cancellation, ties, equal values
            sign = random.getrandbits(1) << (widths[0] - 1)
            near = row[0] ^ sign if random.random() < 0.5 else row[0] ^ (1 << random.randrange(widths[0]))
            row[1] = (near + random.randrange(-3, 4)) % (1 << widths[0])
        rows.append(tuple(row))
    return rows


def _operand(edges: list[int], width: int, random: Random) -> int:
    kind = random.random()
    if kind < 0.35:
        return random.choice(edges)
    if kind < 0.5:
        return random.getrandbits(width) & random.choice(edges)
    return random.getrandbits(width)


def _edges(type_name: str) -> list[int]:
    """Zeros, subnormals, ends of the normals, one and its neighbours, infinities, NaNs; for integers their ends."""
    form, width = float_format(type_name), type_width(type_name)
    sign = 1 << (width - 1)
    if form is None:
        return sorted({v % (1 << width) for v in (0, 1, 2, sign - 1, sign, sign + 1, -1, -2)})
    least, one, infinity = 1 << form.fraction_bits, form.one(), form.infinity
    largest_whole = form.bias + form.fraction_bits << form.fraction_bits  # above it all values are whole
    positive = {0, 1, least >> 1, least - 1, least, least + 1, infinity - 1, infinity, form.nan, infinity + 1}
    positive |= {one - 1, one, one + 1, one - least, one + least, one + (least >> 1)}
    positive |= {largest_whole - 1, largest_whole} if largest_whole < infinity else set()
    return sorted(v | s for v in positive for s in (0, sign))
