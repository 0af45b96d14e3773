"""The operands of the forms that a row does not list, made from those that it does.

A form exists for an operation where PyTorch computes it: operands on which PyTorch raises make no form. So the table
has each form of each operation, without those whose result PyTorch leaves open (`Row.undefined`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tests.operators.operands import Operands, f, i, n


def completed(compute: Callable[..., Any], given: Mapping[str, Operands]) -> dict[str, Operands]:
    """The forms that are given, then the others that PyTorch computes."""
    forms = dict(given)
    first = next(iter(given.values()))
    for form, candidates in CANDIDATES.items():
        found = [] if form in forms else [each for each in candidates(first) if _runs(compute, each)]
        if found:
            forms[form] = found[0]
    return forms


def _runs(compute: Callable[..., Any], operands: Operands) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compute(*(operand.clone() for operand in operands))
        except (RuntimeError, IndexError, ValueError, TypeError, AssertionError):
            return False
    return True


def _of_type(make: Callable[..., Tensor], types: tuple[torch.dtype, ...]) -> Callable[[Operands], Iterator[Operands]]:
    """The same shapes, with the operands of these types made anew."""

    def candidates(given: Operands) -> Iterator[Operands]:
        if any(each.dtype in types for each in given):
            yield tuple(
                make(*each.shape, seed=2 * k + 1) if each.dtype in types else each for k, each in enumerate(given)
            )

    return candidates


def _scalars(given: Operands) -> Iterator[Operands]:
    """All operands of shape (), or the last one, or the first one."""
    last = len(given) - 1
    for chosen in (range(len(given)), (last,), (0,)):
        yield tuple(each.reshape(-1)[0] if k in chosen else each for k, each in enumerate(given))


def _broadcast(given: Operands) -> Iterator[Operands]:
    """Of operands of one shape: the first with one column, the last with one row."""
    if len(given) > 1 and len({each.shape for each in given}) == 1 and given[0].dim() > 1:
        yield (given[0][..., :1], *given[1:-1], given[-1][0])


CANDIDATES: dict[str, Callable[[Operands], Iterator[Operands]]] = {
    "ordinary": _of_type(f, (torch.int32, torch.bool)),
    "broadcast": _broadcast,
    "0-d": _scalars,
    "integer": _of_type(i, (torch.float32,)),
    "NaN": _of_type(n, (torch.float32,)),
}
"""Operands to try for each form, the best first."""
