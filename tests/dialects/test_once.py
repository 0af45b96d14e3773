"""What is kept with an object: computed once for it and for each further argument, and not for its equals."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch2hw.dialects.once import once


@dataclass(frozen=True)
class Thing:
    value: int


def test_once_for_each_object_and_argument() -> None:
    calls: list[tuple[int, int]] = []

    @once
    def product(thing: Thing, factor: int) -> list[int]:
        calls.append((thing.value, factor))
        return [thing.value * factor]

    first, equal = Thing(3), Thing(3)
    assert product(first, 2) is product(first, 2)
    assert product(first, 5) == [15]
    assert product(equal, 2) == [6]
    assert calls == [(3, 2), (3, 5), (3, 2)]


def test_two_functions_do_not_share_results_and_a_changed_copy_has_none() -> None:
    @once
    def twice(thing: Thing) -> int:
        return thing.value * 2

    @once
    def square(thing: Thing) -> int:
        return thing.value**2

    thing = Thing(3)
    assert (twice(thing), square(thing)) == (6, 9)
    assert twice(replace(thing, value=4)) == 8
    assert thing == Thing(3), "what is known of an object is no part of its value"
