"""Whether iterations of loops touch the same element: what decides which loops may be taken apart.

Taking loop v apart runs all its rounds of one access before any of the next: legal unless an access that stands earlier
touches, in a later round, an element that a later one touched before, and one of the two writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import gcd

from torch2hw.dialects.quasi_affine import Atom, Index, Variable
from torch2hw.lowering.memref.steps import Access

Place = tuple[Index | None, ...]
"""Where an access is; None in a dimension where values decide."""


def reordered(first: Place, second: Place, loop: Variable, inner: frozenset[Variable]) -> bool:
    """Whether `first` can touch, in a later round of `loop`, what `second` touched in an earlier one. Loops that are
    neither `loop` nor `inner` are in the same round for both."""
    distances: Iterable[int] = range(1, loop.extent)
    for one, other in zip(first, second, strict=True):
        if one is not None and other is not None:
            meets = _meets(one, other, loop, inner)
            distances = [distance for distance in distances if meets(distance)]
    return any(True for _ in distances)


def _meets(one: Index, other: Index, loop: Variable, inner: frozenset[Variable]) -> Callable[[int], bool]:
    """For a distance in rounds, whether the two indices can be equal."""
    free: list[tuple[int, tuple[int, int]]] = []  # coefficient and range of what varies by itself
    shared: dict[Atom, int] = {}
    step = 0
    alike = one.coefficient(loop) == other.coefficient(loop)
    for index, sign in ((one, 1), (other, -1)):
        for atom, coefficient in index.terms:
            varies = {loop, *inner} & Index(((atom, 1),), 0).variables()
            if atom == loop and alike:
                step = coefficient
            elif varies:
                free.append((sign * coefficient, Index(((atom, 1),), 0).bounds()))
            else:
                shared[atom] = shared.get(atom, 0) + sign * coefficient
    free += [(coefficient, Index(((atom, 1),), 0).bounds()) for atom, coefficient in shared.items() if coefficient]
    offset = one.constant - other.constant
    low = offset + sum(min(c * end for end in ends) for c, ends in free)
    high = offset + sum(max(c * end for end in ends) for c, ends in free)
    common = gcd(*(c for c, _ in free))

    def meets(distance: int) -> bool:
        wanted = -step * distance
        return low <= wanted <= high and ((wanted - offset) % common == 0 if common else wanted == offset)

    return meets


def injective(place: Sequence[Index], variables: frozenset[Variable]) -> bool:
    """Whether different values of `variables` are different elements; the others are the same for both."""
    known: set[Variable] = set()
    grown = True
    while grown and known != variables:
        grown = False
        for index in place:
            terms = [(v, c) for v, c in index.terms if isinstance(v, Variable) and v in variables and v not in known]
            others = {u for a, _ in index.terms if not isinstance(a, Variable) for u in Index(((a, 1),), 0).variables()}
            if not terms or others & variables - known:
                continue
            reach = 0
            for v, c in sorted(terms, key=lambda term: abs(term[1])):
                if abs(c) <= reach:
                    break
                reach += abs(c) * (v.extent - 1)
            else:
                known |= {v for v, _ in terms}
                grown = True
    return known == variables


def conflicts(
    found: Sequence[tuple[Access, tuple[Variable, ...]]], place: Callable[[Access], Place], loop: Variable
) -> list[tuple[int, int]]:
    """The pairs of accesses, by number, that keep the rounds of `loop` in order. `found` has them with the loops below
    it. A write alone counts where one round writes what another does, by an index that counts the rounds."""
    pairs = []
    for one, (first, around) in enumerate(found):
        for two in range(one, len(found)):
            second, other = found[two]
            if first.memory is not second.memory or not (first.is_store or second.is_store):
                continue
            places = place(first), place(second)
            counts = any(index is not None and loop in index.variables() for index in places[0])
            if (one != two or counts) and reordered(*places, loop, frozenset((*around, *other))):
                pairs.append((one, two))
    return pairs
