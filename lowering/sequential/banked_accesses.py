"""Loads and stores of banked memories as loads and stores of their banks, each a one-dimensional memory.

Before:  memref.load %x[%c1, %i, %k] : memref<2x4x8xf32>      (element [2·i + 1, k]; the bank's index leads)
After:   memref.load %x_bank1[%i · 8 + %k] : memref<32xf32>

- A constant bank index selects the memory at compile time (the paper's bank dimension).
- With a variable bank index, a load reads every bank that it may mean and selects; a store is a chain of conditions.
- `naive` (the paper's listing 2): the element's index is computed at run time and divided by the factor, and every
  access to a banked memory is an if/else chain over all its banks.

If several parallel arms read one bank, each arm reads its own copy of it; a store writes all copies.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from torch_mlir import ir

from torch2hw.dialects.storage import Storage


@dataclass(frozen=True)
class Banked:
    """A memory of `prod(factors)` banks of `shape` each."""

    name: str
    storage: Storage
    factors: tuple[int, ...]
    shape: tuple[int, ...]
    element_type: Any

    @property
    def banks(self) -> int:
        """The number of banks."""
        return prod(self.factors)

    @property
    def elements(self) -> int:
        """The words of a bank."""
        return prod(self.shape)

    @property
    def bank_type(self) -> Any:
        """The memref of one bank."""
        return ir.MemRefType.get([self.elements], self.element_type)


def arm_of(op: Any) -> tuple[str, int]:
    """The parallel kernel and the number of the arm that `op` belongs to; ("", 0) outside of arms."""
    while op is not None and op.name != "func.func":
        if op.name == "scf.execute_region":
            return op.attributes["arm_of"].value, op.attributes["arm"].value
        op = op.parent.operation if op.parent is not None else None
    return "", 0


@dataclass
class Accesses:
    """`stored` are the memories by the argument that stands for them; `arguments` the copies of each bank."""

    stored: dict[Any, Banked]
    naive: bool
    readers: dict[tuple[Any, int], dict[str, dict[int, None]]] = field(default_factory=dict)
    arguments: dict[tuple[Any, int], list[Any]] = field(default_factory=lambda: defaultdict(list))

    def note(self, op: Any) -> None:
        """Notes which banks the arm of an access reads."""
        if op.name == "memref.load":
            memory, indices = op.operands[0], list(op.operands)[1:]
            kernel, arm = arm_of(op)
            for bank in self.candidates(self.stored[memory], indices):
                self.readers.setdefault((memory, bank), {}).setdefault(kernel, {}).setdefault(arm)

    def copies(self, memory: Any, bank: int) -> int:
        """The number of copies of a bank: as many as arms of one kernel read it, at least 1."""
        return max((len(arms) for arms in self.readers.get((memory, bank), {}).values()), default=1)

    def candidates(self, memory: Banked, indices: Sequence[Any]) -> list[int]:
        """The numbers of the banks that an access may mean."""
        choices = []
        leading = iter(indices)
        for factor in memory.factors:
            known = constant_of(next(leading)) if factor > 1 else 0
            choices.append(range(factor) if known is None else (known,))
        numbers = []
        for bank in product(*choices):
            number = 0
            for part, factor in zip(bank, memory.factors, strict=True):
                number = number * factor + part
            numbers.append(number)
        return numbers

    def rewrite(self, op: Any) -> None:
        """Replaces one `memref.load` or `memref.store`."""
        stored = op.name == "memref.store"
        operands = list(op.operands)
        argument, indices = (operands[1], operands[2:]) if stored else (operands[0], operands[1:])
        memory = self.stored[argument]
        kernel, arm = arm_of(op)
        with ir.InsertionPoint(op), op.location:
            candidates = self.candidates(memory, indices)
            split = self.split(memory, indices)
            if self.naive:
                split = [self.divided(pair, factor) for pair, factor in zip(split, memory.factors, strict=True)]
            address = _row_major([offset for _, offset in split], memory.shape)
            number = _row_major([bank for bank, _ in split], memory.factors)
            if self.naive and constant_of(number) is None:
                candidates = list(range(memory.banks))

            def access(bank: int) -> Any:
                copies = self.arguments[argument, bank]
                if stored:
                    for copy in copies:
                        ir.Operation.create("memref.store", operands=[operands[0], copy, address])
                    return None
                arms = list(self.readers.get((argument, bank), {}).get(kernel, {}))
                copy = copies[arms.index(arm) if arm in arms else 0]
                kind = op.results[0].type
                return ir.Operation.create("memref.load", results=[kind], operands=[copy, address]).results[0]

            if stored or self.naive or len(candidates) == 1:
                value = _chain(candidates, number, access, None if stored else op.results[0].type)
            else:
                value = _selected(candidates, number, [access(bank) for bank in candidates])
            if not stored:
                op.results[0].replace_all_uses_with(value)
        op.erase()

    def split(self, memory: Banked, indices: Sequence[Any]) -> list[tuple[Any, Any]]:
        """For each dimension the index of the bank, and the index in the bank."""
        count = sum(factor > 1 for factor in memory.factors)
        leading, offsets = iter(indices[:count]), indices[count:]
        return [
            (next(leading) if factor > 1 else constant(0), offset)
            for factor, offset in zip(memory.factors, offsets, strict=True)
        ]

    def divided(self, pair: tuple[Any, Any], factor: int) -> tuple[Any, Any]:
        """Bank and offset, computed at run time from the index of the element."""
        bank, offset = pair
        if factor == 1:
            return pair
        index = _index("addi", _scaled(offset, factor), bank)
        if factor & (factor - 1) == 0:
            mask, shift = constant(factor - 1), constant(factor.bit_length() - 1)
            return _index("andi", index, mask), _index("shrui", index, shift)
        return _index("remui", index, constant(factor)), _index("divui", index, constant(factor))


def _row_major(parts: Sequence[Any], shape: Sequence[int]) -> Any:
    terms = [_scaled(part, prod(shape[dimension + 1 :])) for dimension, part in enumerate(parts)]
    total = terms[0] if terms else constant(0)
    for term in terms[1:]:
        total = _index("addi", total, term)
    return total


def _chain(candidates: Sequence[int], number: Any, access: Callable[[int], Any], result: Any) -> Any:
    """if number == first { … } else if …; the value of the access that runs."""
    if len(candidates) == 1:
        return access(candidates[0])
    chosen = ir.Operation.create(
        "scf.if", results=[] if result is None else [result], operands=[_equals(number, candidates[0])], regions=2
    )
    for region, rest in zip(chosen.regions, (candidates[:1], candidates[1:]), strict=True):
        with ir.InsertionPoint(region.blocks.append()):
            value = _chain(rest, number, access, result)
            ir.Operation.create("scf.yield", operands=[] if result is None else [value])
    return None if result is None else chosen.results[0]


def _selected(candidates: Sequence[int], number: Any, values: Sequence[Any]) -> Any:
    chosen = values[-1]
    for bank, value in list(zip(candidates, values, strict=True))[-2::-1]:
        operands = [_equals(number, bank), value, chosen]
        chosen = ir.Operation.create("arith.select", results=[value.type], operands=operands).results[0]
    return chosen


def _equals(number: Any, bank: int) -> Any:
    equal = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)  # arith's predicate eq
    return ir.Operation.create(
        "arith.cmpi",
        results=[ir.IntegerType.get_signless(1)],
        operands=[number, constant(bank)],
        attributes={"predicate": equal},
    ).results[0]


def _scaled(index: Any, stride: int) -> Any:
    """A product with a constant; a shift if possible, because a multiplication takes cycles."""
    if stride & (stride - 1) == 0:
        return index if stride == 1 else _index("shli", index, constant(stride.bit_length() - 1))
    return _index("muli", index, constant(stride))


def constant(value: int) -> Any:
    """An `arith.constant` of type index at the insertion point."""
    kind = ir.IndexType.get()
    attributes = {"value": ir.IntegerAttr.get(kind, value)}
    return ir.Operation.create("arith.constant", results=[kind], attributes=attributes).results[0]


def constant_of(value: Any) -> int | None:
    """The number that an index is; None if it is no `arith.constant`."""
    owner = value.owner
    if getattr(owner, "name", "") != "arith.constant":
        return None
    return int(owner.attributes["value"].value)


_FOLDED: dict[str, Callable[[int, int], int]] = {
    "addi": operator.add,
    "muli": operator.mul,
    "shli": operator.lshift,
    "andi": operator.and_,
    "shrui": operator.rshift,
    "remui": operator.mod,
    "divui": operator.floordiv,
}


def _index(operation: str, left: Any, right: Any) -> Any:
    """An operation on indices, folded if both are constants: lower-scf-to-calyx aborts on a constant condition."""
    known = constant_of(left), constant_of(right)
    if known[0] is not None and known[1] is not None:
        return constant(_FOLDED[operation](known[0], known[1]))
    if operation in ("addi", "shli", "shrui") and known[1] == 0:
        return left
    return ir.Operation.create(f"arith.{operation}", results=[left.type], operands=[left, right]).results[0]
