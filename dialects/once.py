"""Memoisation by identity: what follows from an object that never changes is computed once and kept with the object.

Programs of one search differ in few kernels. The other kernels are the same objects, so their layout, schedule and
accesses are computed once for all these programs. Objects are compared by identity: nothing is hashed by value, and
results are freed with their object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


def once(function: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], R]:
    """A decorator: `function` is computed once for each first argument (an object with attributes, never changed in
    place) and each combination of the others (hashable, by position). Results are shared, so they must not be changed
    in place either."""

    @wraps(function)
    def known(first: T, /, *others: P.args, **named: P.kwargs) -> R:
        results = vars(first).setdefault("_once", {})
        key = (function, *others, *named.items())
        if key not in results:
            results[key] = function(first, *others, **named)
        result: R = results[key]
        return result

    return known
