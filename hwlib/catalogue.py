"""What the library has for a number format: every operation on values of that type, and units by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from .float_compare import PREDICATES
from .formats import FORMATS, float_format, integer_width, type_width
from .integers import COMPARISONS
from .library import ENTRIES, Library, NoUnit
from .unit import Unit

INTEGERS = ("i8", "i16", "i32", "i64")
TYPES = (*FORMATS, *INTEGERS)


@dataclass(frozen=True)
class Listed:
    """One line of the catalogue. `types` are the operands' and, last, the result's."""

    operation: str
    types: tuple[str, ...]
    predicate: str | None
    unit: Unit

    @property
    def what(self) -> str:
        return f"{self.operation} {self.predicate}" if self.predicate else self.operation


class NoSuchUnit(LookupError):
    """`near` are names that look like the one that was asked for, the nearest first."""

    def __init__(self, name: str, near: list[str]):
        super().__init__(f"no unit is called {name}")
        self.near = near


def is_type(name: str) -> bool:
    """Whether the library may have units of that type."""
    width = integer_width(name)
    return float_format(name) is not None or (width is not None and 1 <= width <= 64 and name != "index")


def listing(library: Library, dtype: str) -> list[Listed]:
    """The units with an operand or result of type `dtype`, in the order of the library's entries."""
    found: dict[str, Listed] = {}
    for operation, types, predicate in _requests(dtype):
        try:
            unit = library.unit(operation, types[:-1], types[-1], predicate)
        except NoUnit:
            continue
        found.setdefault(unit.name, Listed(operation, types, predicate, unit))
    return list(found.values())


def find(library: Library, name: str, dtype: str) -> Listed:
    """The unit called `name`, or `name` with `dtype` before it (`add`: f32_add). NoSuchUnit if there is none."""
    stem, _, _ = name.partition("_")
    known = {listed.unit.name: listed for listed in listing(library, dtype)}
    if is_type(stem):
        known |= {listed.unit.name: listed for listed in listing(library, stem)}
    for candidate in (name, f"{dtype}_{name}"):
        if candidate in known:
            return known[candidate]
    near = difflib.get_close_matches(name, known, 4)
    near += [f"{dtype}_{stem}" for stem in difflib.get_close_matches(name, [n.partition("_")[2] for n in known], 4)]
    raise NoSuchUnit(name, [n for n in dict.fromkeys(near) if n in known])


def _requests(dtype: str) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    """Every operation from or to `dtype` that could have a unit, with each other type and predicate."""
    yield "arith.select", ("i1", dtype, dtype, dtype), None
    for operation, entry in ENTRIES.items():
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
                yield operation, (*(source,) * (len(entry.kinds) - 1), result), predicate


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
