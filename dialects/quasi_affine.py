"""Quasi-affine index expressions with ranges: what an affine map's result is once its variables have names.

An `Index` is `constant + Σ coefficient · atom`. An atom is a `Variable` (a loop index or an index computed at run time,
with its extent), `FloorDiv(index, divisor)` or `Remainder(index, divisor)`, both with a positive constant divisor.
Every constructor simplifies with the ranges of the variables, so that views of views of reshapes come out as plain sums
of loop indices wherever that is true: with h < 2 and e < 21, `(21·h + e) floordiv 21` is `h`. Values are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd
from typing import Any


@dataclass(frozen=True)
class Variable:
    """A loop index or run-time index: an integer in [0, extent)."""

    name: str
    extent: int

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class FloorDiv:
    """`dividend floordiv divisor`, rounding towards minus infinity."""

    dividend: Index
    divisor: int

    def __str__(self) -> str:
        return f"(({self.dividend}) floordiv {self.divisor})"


@dataclass(frozen=True)
class Remainder:
    """`dividend mod divisor`, in [0, divisor)."""

    dividend: Index
    divisor: int

    def __str__(self) -> str:
        return f"(({self.dividend}) mod {self.divisor})"


Atom = Variable | FloorDiv | Remainder


@dataclass(frozen=True)
class Index:
    """`constant + Σ coefficient · atom`; terms are sorted by the atom's text and no coefficient is zero."""

    terms: tuple[tuple[Atom, int], ...]
    constant: int

    def __hash__(self) -> int:
        """Computed once: an index is a key of many tables, and its atoms may be nested deeply."""
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = self.__dict__["_hash"] = hash((self.terms, self.constant))
        return known

    def __str__(self) -> str:
        parts = [str(atom) if coefficient == 1 else f"{atom} * {coefficient}" for atom, coefficient in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return " + ".join(parts)

    def __add__(self, other: Index | int) -> Index:
        other = constant(other) if isinstance(other, int) else other
        return _sum([*self.terms, *other.terms], self.constant + other.constant)

    def __sub__(self, other: Index | int) -> Index:
        return self + (other * -1)

    def __mul__(self, factor: int) -> Index:
        if factor == 1:
            return self
        return _sum([(atom, coefficient * factor) for atom, coefficient in self.terms], self.constant * factor)

    def floordiv(self, divisor: int) -> Index:
        """This index divided by a positive constant, rounded towards minus infinity."""
        return _divide(self, divisor)[0]

    def remainder(self, divisor: int) -> Index:
        """This index modulo a positive constant."""
        return _divide(self, divisor)[1]

    @property
    def is_constant(self) -> bool:
        """Whether it has no variables."""
        return not self.terms

    def coefficient(self, atom: Atom) -> int:
        """The coefficient of an atom; 0 if it does not occur."""
        for each, coefficient in self.terms:
            if each == atom:
                return coefficient
        return 0

    def variables(self) -> frozenset[Variable]:
        """Every variable in this index, those inside divisions included."""
        known: frozenset[Variable] | None = self.__dict__.get("_variables")
        if known is None:
            known = self.__dict__["_variables"] = self._found_variables()
        return known

    def _found_variables(self) -> frozenset[Variable]:
        found: set[Variable] = set()
        for atom, _ in self.terms:
            if isinstance(atom, Variable):
                found.add(atom)
            else:
                found |= atom.dividend.variables()
        return frozenset(found)

    @cached_property
    def is_affine(self) -> bool:
        """Whether no division or remainder is left."""
        return all(isinstance(atom, Variable) for atom, _ in self.terms)

    def substitute(self, replacement: Mapping[Variable, Index]) -> Index:
        """This index with variables replaced, simplified anew."""
        if not replacement:
            return self
        used = tuple((v, replacement[v]) for v in self.variables() if v in replacement)
        return _substituted(self, used) if used else self

    def evaluate(self, values: Callable[[Variable], Any]) -> Any:
        """The integer for given variable values (or arrays of integers: only + * // % are used)."""
        total = self.constant
        for atom, coefficient in self.terms:
            if isinstance(atom, Variable):
                value = values(atom)
            elif isinstance(atom, FloorDiv):
                value = atom.dividend.evaluate(values) // atom.divisor
            else:
                value = atom.dividend.evaluate(values) % atom.divisor
            total = total + coefficient * value
        return total

    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest value by interval arithmetic on the variables' ranges; both are reached if the
        index is affine."""
        return _bounds(self)


def constant(value: int) -> Index:
    """The index without variables."""
    return Index((), value)


def variable(atom: Variable) -> Index:
    """The index that is just this variable; a variable of extent 1 is the constant 0."""
    return Index((), 0) if atom.extent == 1 else Index(((atom, 1),), 0)


def linearise(indices: Iterable[Index], shape: Iterable[int]) -> Index:
    """The row-major offset of an element in `shape`."""
    offset = constant(0)
    for index, size in zip(indices, shape, strict=True):
        offset = offset * size + index
    return offset


def delinearise(offset: Index, shape: tuple[int, ...]) -> list[Index]:
    """The indices of the element at a row-major offset that lies inside `shape`."""
    result: list[Index] = []
    for position, size in enumerate(reversed(shape)):
        if position == len(shape) - 1:
            result.append(offset)
        else:
            offset, rest = _divide(offset, size)
            result.append(rest)
    return result[::-1]


def as_inside(at: Sequence[Index], shape: Sequence[int]) -> tuple[list[Index], dict[Variable, Index]]:
    """Indices in the place of `at`, and what to put in the place of their new variables later: what is made of them is
    simplified as if `at` were inside `shape`, and has other values where it is not."""
    taken = {v.name for index in at for v in index.variables()}
    ranges: dict[Variable, Index] = {}
    known = list(at)
    for dimension, (index, size) in enumerate(zip(at, shape, strict=True)):
        least, greatest = index.bounds()
        if size > 1 and (least < 0 or greatest >= size):
            name = f"inside{dimension}"
            while name in taken:
                name += "_"
            ranges[Variable(name, size)] = index
            known[dimension] = variable(Variable(name, size))
    return known, ranges


@lru_cache(maxsize=65536)
def _substituted(index: Index, used: tuple[tuple[Variable, Index], ...]) -> Index:
    """Kept, for the lanes of a kernel differ in few of the variables of an index."""
    replacement = dict(used)
    values = [(replacement.get(v) or variable(v), c) for v, c in index.terms if isinstance(v, Variable)]
    if index.is_affine and all(value.is_affine for value, _ in values):  # a plain sum: no parts of divisions to join
        terms = [(atom, factor * coefficient) for value, coefficient in values for atom, factor in value.terms]
        return _sum(terms, index.constant + sum(value.constant * coefficient for value, coefficient in values))
    result = constant(index.constant)
    for atom, coefficient in index.terms:
        if isinstance(atom, Variable):
            value = replacement.get(atom, variable(atom))
        elif isinstance(atom, FloorDiv):
            value = atom.dividend.substitute(replacement).floordiv(atom.divisor)
        else:
            value = atom.dividend.substitute(replacement).remainder(atom.divisor)
        result = result + value * coefficient
    return result


def _atom_bounds(atom: Atom) -> tuple[int, int]:
    if isinstance(atom, Variable):
        return 0, atom.extent - 1
    if isinstance(atom, FloorDiv):
        low, high = atom.dividend.bounds()
        return low // atom.divisor, high // atom.divisor
    return 0, atom.divisor - 1


@lru_cache(maxsize=65536)
def _bounds(index: Index) -> tuple[int, int]:
    low = high = index.constant
    for atom, coefficient in index.terms:
        ends = [coefficient * end for end in _atom_bounds(atom)]
        low, high = low + min(ends), high + max(ends)
    return low, high


def _sum(terms: list[tuple[Atom, int]], offset: int) -> Index:
    """Collect like terms, and join c·n·(e floordiv n) + c·(e mod n) into c·e; e may be d floordiv m, and e floordiv n
    d floordiv m·n."""
    totals: dict[Atom, int] = {}
    for atom, coefficient in terms:
        totals[atom] = totals.get(atom, 0) + coefficient
    for atom in list(totals):
        if isinstance(atom, FloorDiv):
            rest = Remainder(atom.dividend, atom.divisor)
            share = totals.get(rest, 0)
            if share and totals.get(atom, 0) == share * atom.divisor:
                del totals[atom], totals[rest]
                return _sum([*totals.items(), *(atom.dividend * share).terms], offset + share * atom.dividend.constant)
        if isinstance(atom, Remainder) and (quotient := _sole_quotient(atom.dividend)) is not None:
            above, share = FloorDiv(quotient.dividend, quotient.divisor * atom.divisor), totals[atom]
            if share and totals.get(above, 0) == share * atom.divisor:
                del totals[above], totals[atom]
                return _sum([*totals.items(), (quotient, share)], offset)
    kept = [(atom, coefficient) for atom, coefficient in totals.items() if coefficient]
    if len(kept) < 2:
        return Index(tuple(kept), offset)
    return Index(tuple(sorted(kept, key=lambda term: (str(term[0]), term[1]))), offset)


def _sole_quotient(index: Index) -> FloorDiv | None:
    """The quotient that the index is, if it is one."""
    if index.constant or len(index.terms) != 1:
        return None
    (atom, coefficient) = index.terms[0]
    return atom if isinstance(atom, FloorDiv) and coefficient == 1 else None


@lru_cache(maxsize=65536)
def _divide(index: Index, divisor: int) -> tuple[Index, Index]:
    """Quotient and remainder of `index` by a positive constant."""
    assert divisor > 0, "divisors of index expressions are positive constants"
    if divisor == 1:
        return index, constant(0)
    quotient = _sum([(atom, c // divisor) for atom, c in index.terms], index.constant // divisor)
    rest = _sum([(atom, c % divisor) for atom, c in index.terms], index.constant % divisor)
    low, high = rest.bounds()
    if low >= 0 and high < divisor:
        return quotient, rest
    # A second split, with remainders of the least magnitude, catches indices such as (n-1)·i = n·i - i.
    centred = [(atom, c - divisor * round(c / divisor)) for atom, c in index.terms]
    other = _sum(list(centred), index.constant % divisor)
    low, high = other.bounds()
    if low >= 0 and high < divisor:
        return (_sum([(atom, round(c / divisor)) for atom, c in index.terms], index.constant // divisor), other)
    common = divisor
    for _, coefficient in rest.terms:
        common = gcd(common, coefficient)
    if common > 1:  # (g·e + r) floordiv (g·n) = e floordiv n for 0 <= r < g
        inner = _sum([(atom, c // common) for atom, c in rest.terms], rest.constant // common)
        part, remainder = _divide(inner, divisor // common)
        return quotient + part, remainder * common + rest.constant % common
    if rest.terms == ():
        return quotient + rest.constant // divisor, constant(rest.constant % divisor)
    simple = _nested_division(rest, divisor)
    if simple is not None:
        return quotient + simple[0], simple[1]
    return quotient + Index(((FloorDiv(rest, divisor), 1),), 0), Index(((Remainder(rest, divisor), 1),), 0)


def _nested_division(index: Index, divisor: int) -> tuple[Index, Index] | None:
    """(e floordiv m) floordiv n = e floordiv (m·n), and (e mod (m·n)) mod n = e mod n."""
    if len(index.terms) != 1 or index.terms[0][1] != 1 or index.constant:
        return None
    atom = index.terms[0][0]
    if isinstance(atom, FloorDiv):
        quotient = atom.dividend.floordiv(atom.divisor * divisor)
        return quotient, Index(((Remainder(index, divisor), 1),), 0)
    if isinstance(atom, Remainder) and atom.divisor % divisor == 0:
        return Index(((FloorDiv(index, divisor), 1),), 0), atom.dividend.remainder(divisor)
    return None
