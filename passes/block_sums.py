"""`--sums block`: products that lanes add to one sum are one dot product unit, which rounds once.

Before:  %p0 = mulf %a0, %b0 ; %p1 = mulf %a1, %b1 ; … ; a tree of addf over them, %t ; %next = addf %acc, %t
After:   %t = hwlib.dot %a0, %a1, …, %b0, %b1, … ; %next = addf %acc, %t

The unit aligns exact products to the largest of them, adds integers and rounds once (`hwlib/float_dot.py`). That is
smaller than multipliers and a tree of adders, more accurate, and another rounding: choose-lanes, which makes the trees,
declares it. What is no tree over products alone stays as it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from torch2hw.analysis.unit_binding import unit_of
from torch2hw.dialects.loops import Kernel, Operation, Stage, Statement, operand_names
from torch2hw.dialects.operations import operation_kind
from torch2hw.hwlib import Library, NoUnit

DOT = "hwlib.dot"


def blocked(kernel: Kernel, library: Library) -> Kernel:
    """`kernel` with dot products where its lanes add products to one sum; itself where they do not."""
    stage = kernel.stages[0]
    made = {s.result: s for s in stage.statements if isinstance(s, Operation)}
    uses = Counter(name for part in kernel.stages for s in part.statements for name in operand_names(s))
    uses.update(store.value for part in kernel.stages for store in part.stores)
    dots: dict[str, Operation] = {}
    gone: set[str] = set()
    for carried in stage.carried:
        step = made.get(carried.next)
        if step is None or not operation_kind(step.name).accumulates or step.operands.count(carried.name) != 1:
            continue
        (root,) = (name for name in step.operands if name != carried.name)
        inside: set[str] = set()
        products = _products(root, made, uses, inside)
        dot = None if products is None else _dot(root, products, library)
        if dot is not None:
            dots[root] = dot
            gone |= inside - {root}
    if not dots:
        return kernel
    statements: list[Statement] = [dots.get(s.result, s) for s in stage.statements if s.result not in gone]
    return replace(kernel, stages=(Stage(stage.carried, tuple(statements), stage.stores), *kernel.stages[1:]))


def models_of(kernel: Kernel, library: Library) -> dict[str, str]:
    """The software models of its dot products, by name."""
    units = [unit_of(s, library) for s in dots_of(kernel)]
    return {unit.name: unit.software() for unit in units}


def dots_of(kernel: Kernel) -> list[Operation]:
    """The dot products of a kernel."""
    return [s for s in kernel.statements() if isinstance(s, Operation) and s.name == DOT]


def _products(name: str, made: dict[str, Operation], uses: Counter[str], inside: set[str]) -> list[Operation] | None:
    """The products at the leaves of a tree of additions, in order; None where a leaf is none, or a value of the tree
    has another use. `inside` gets the names of the tree's values."""
    operation = made.get(name)
    if operation is None or uses[name] != 1:
        return None
    inside.add(name)
    kind = operation_kind(operation.name)
    if kind.multiplies:
        return [operation]
    if not kind.accumulates:
        return None
    parts = [_products(operand, made, uses, inside) for operand in operation.operands]
    return None if None in parts else [each for part in parts if part is not None for each in part]


def _dot(result: str, products: list[Operation], library: Library) -> Operation | None:
    """The dot product in the place of these products and their sum, if the library has one of these types."""
    types = {(*each.operand_types, each.type) for each in products}
    if len(products) < 2 or len(types) != 1:
        return None
    (source, _, target) = types.pop()
    operands = tuple(each.operands[side] for side in (0, 1) for each in products)
    dot = Operation(result, target, DOT, operands, (source,) * len(operands), source=products[0].source)
    try:
        unit = library.unit(DOT, dot.operand_types, target)
    except NoUnit:
        return None
    return replace(dot, callee=unit.name)
