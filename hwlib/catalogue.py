"""What the library has for a number format: every operation on values of that type, and units by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from .entries import Entry, entry_for, unit_name
from .float_compare import PREDICATES
from .float_divide_by import packed_type
from .float_dot import kept_bits
from .float_mul import holds_products
from .formats import FORMATS, float_format, integer_width, type_width
from .integers import COMPARISONS
from .library import ENTRIES, Library, NoUnit
from .paired_dot import RESULT_BITS
from .requantise import LEVEL, MULTIPLIERS
from .unit import Unit

INTEGERS = ("i8", "i16", "i32", "i64")
TYPES = (*FORMATS, *INTEGERS)
LANES = 8  # of the sums and dot products that are listed; `find` makes those of any number, by name
PAIRED_TERMS = 4  # likewise: the field of two codes' products has no room for LANES
MAX_LANES = 64
SHIFT = "24"  # of the requantisations that are listed


@dataclass(frozen=True)
class Listed:
    """One line of the catalogue. `types` are the operands' and, last, the result's."""

    operation: str
    types: tuple[str, ...]
    predicate: str | None
    unit: Unit

    @property
    def what(self) -> str:
        """The operation, and its predicate if it has one."""
        return f"{self.operation} {self.predicate}" if self.predicate else self.operation

    @property
    def bound(self) -> str:
        """Of the error, in words."""
        ulp, lanes = self.unit.error_ulp, len(self.types) - 1
        if self.operation == "hwlib.sum":
            return f"correctly rounded {(lanes - 1).bit_length()} times in a row"
        if self.operation == "hwlib.dot":
            source, form = float_format(self.types[0]), float_format(self.types[-1])
            assert source is not None and form is not None
            cut = kept_bits(source, form) - 2
            return f"0.5 ulp + {lanes // 2} x 2^-{cut} of the largest product"
        if ulp == 0:
            return "exact"
        return "correctly rounded" if ulp == 0.5 else f"below {ulp:g} ulp"


class NoSuchUnit(LookupError):
    """`near` are names that look like the one that was asked for, the nearest first."""

    def __init__(self, name: str, near: list[str]):
        super().__init__(f"no unit is called {name}")
        self.near = near


def is_type(name: str) -> bool:
    """Whether the library may have units of that type."""
    width = integer_width(name)
    return float_format(name) is not None or (width is not None and 1 <= width <= 64 and name != "index")


@dataclass(frozen=True)
class _Wanted:
    operation: str
    types: tuple[str, ...]
    predicate: str | None = None
    shape: str = "pipelined"


def listing(library: Library, dtype: str) -> list[Listed]:
    """The units with an operand or result of type `dtype`, in the order of the library's entries."""
    made = (_made(library, wanted) for wanted in _named(dtype, LANES).values())
    return [listed for listed in made if listed is not None]


def find(library: Library, name: str, dtype: str) -> Listed:
    """The unit called `name`, or `name` with `dtype` before it (`add`: f32_add). NoSuchUnit if there is none."""
    stem, _, _ = name.partition("_")
    number = re.search(r"(?:sum|dot)_([1-9]\d?)(?!\d)", name)
    lanes = int(number[1]) if number and int(number[1]) <= MAX_LANES else LANES
    places = re.search(r"requantise_(\d+)$", name)
    shift = places[1] if places else SHIFT
    known = _named(dtype, lanes, shift)
    if is_type(stem):
        known |= _named(stem, lanes, shift)
    for candidate in (name, f"{dtype}_{name}"):
        listed = _made(library, known[candidate]) if candidate in known else None
        if listed is not None:
            return listed
    near = difflib.get_close_matches(name, known, 4)
    near += [f"{dtype}_{stem}" for stem in difflib.get_close_matches(name, [n.partition("_")[2] for n in known], 4)]
    raise NoSuchUnit(name, [n for n in dict.fromkeys(near) if n in known and _made(library, known[n]) is not None])


def _named(dtype: str, lanes: int, shift: str = SHIFT) -> dict[str, _Wanted]:
    """By name, what may have a unit."""
    found: dict[str, _Wanted] = {}
    for wanted in _requests(dtype, lanes, shift):
        entry = entry_for(wanted.operation, wanted.types)
        if entry is not None:
            name = unit_name(entry, wanted.operation, wanted.types, wanted.predicate)
            found.setdefault(f"{name}_iterative" if wanted.shape == "iterative" else name, wanted)
    return found


def _made(library: Library, wanted: _Wanted) -> Listed | None:
    operation, types, predicate = wanted.operation, wanted.types, wanted.predicate
    try:
        unit = library.unit(operation, types[:-1], types[-1], predicate, shape=wanted.shape)
    except NoUnit:
        return None
    return Listed(operation, types, predicate, unit)


def _requests(dtype: str, lanes: int, shift: str) -> Iterator[_Wanted]:
    """Every operation from or to `dtype` that could have a unit, with each other type and predicate."""
    yield _Wanted("arith.select", ("i1", dtype, dtype, dtype))
    form = float_format(dtype)
    packed = None if form is None else packed_type(form)
    if packed is not None:
        yield _Wanted("hwlib.divide_by", (dtype, packed, dtype))
    if integer_width(dtype) is not None:
        yield _Wanted("hwlib.product", (dtype, dtype, f"i{2 * type_width(dtype)}"))
        terms = PAIRED_TERMS if lanes == LANES else lanes
        yield _Wanted("hwlib.paired_dot", (*(dtype,) * (3 * terms), f"i{RESULT_BITS}"))
        for multiplier in MULTIPLIERS:
            yield _Wanted("hwlib.requantise", (dtype, multiplier, LEVEL, LEVEL, LEVEL, "i8"), shift)
    for operation, entry in ENTRIES.items():
        if not entry.kinds or operation in ("hwlib.product", "hwlib.requantise", "hwlib.upper_half"):
            continue
        yield from _plain(operation, entry, dtype)
        if entry.iteration is not None:
            yield _Wanted(operation, (dtype,) * len(entry.kinds), shape="iterative")
        if operation == "arith.mulf":
            for source, target in _widening(dtype):
                yield _Wanted(operation, (source, source, target))
    for operation, entry in ENTRIES.items():
        if entry.each in (1, 2):
            yield _Wanted(operation, (dtype,) * (entry.each * lanes + 1))
    for source, target in _widening(dtype):
        yield _Wanted("hwlib.dot", (*(source,) * (2 * lanes), target))


def _plain(operation: str, entry: Entry, dtype: str) -> Iterator[_Wanted]:
    """Pipelines of operands of one type."""
    sources, results = _types(entry.kinds[0], dtype), _types(entry.kinds[-1], dtype)
    if entry.same:
        results = (dtype,)
    elif operation.startswith("arith.cmp"):
        results = ("i1",)
    predicates: tuple[str | None, ...] = (None,)
    if operation.startswith("arith.cmp"):
        predicates = PREDICATES if entry.kinds[0] == "f" else COMPARISONS
    for source, result, predicate in product(sources, results, predicates):
        converts = _narrows(operation, source, result) and predicate not in ("true", "false")
        if converts and (source == dtype or (result == dtype and not entry.same)):
            yield _Wanted(operation, (*(source,) * (len(entry.kinds) - 1), result), predicate)


def _widening(dtype: str) -> Iterator[tuple[str, str]]:
    """Pairs of formats, one of them `dtype`, of which the second holds every product of the first."""
    for source, target in product(_types("f", dtype), repeat=2):
        form, wide = float_format(source), float_format(target)
        if dtype in (source, target) and form is not None and wide is not None and holds_products(form, wide):
            yield source, target


def _types(kind: str, dtype: str) -> tuple[str, ...]:
    """The usual types of a kind, and `dtype` if it is one."""
    usual = tuple(FORMATS) if kind == "f" else INTEGERS
    fits = (float_format(dtype) is not None) == (kind == "f")
    return (*usual, dtype) if fits and dtype not in usual else usual


def _narrows(operation: str, source: str, target: str) -> bool:
    """Whether a conversion of that name goes from `source` to `target`; all others do."""
    if operation in ("arith.truncf", "arith.trunci"):
        return source != target and type_width(target) <= type_width(source)
    if operation in ("arith.extf", "arith.extsi", "arith.extui"):
        return type_width(target) > type_width(source)
    return operation not in ("arith.index_cast", "arith.index_castui")
