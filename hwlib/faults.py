"""Deliberate faults of a unit, for asking whether its tests notice them.

A fault replaces one node of the graph by another value of the same width, made from the node's operands or from the
node itself: a wrong operation (add for sub, or for and, a sum without carries), operands or arms in the wrong order, a
select that is stuck, bits taken one place off, a value one too large or shifted by one, a bit that is stuck or
inverted, a bit of a table flipped. They are the same on every run and do not depend on what the unit computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .bits import Bits, Graph, cat, reachable
from .unit import Unit

INSTEAD = {"add": ("sub", "xor"), "sub": ("add",), "and": ("or",), "or": ("and", "xor"), "xor": ("or", "and")}


@dataclass(frozen=True)
class Fault:
    """`instead` has operands among those of `node`, constants, or `node` itself, which stands for its right value."""

    node: Bits
    instead: Bits
    what: str

    def __str__(self) -> str:
        name = f" ({self.node.hint})" if self.node.hint else ""
        return f"node {self.node.index}{name}, {self.node.op} of {self.node.width} bits: {self.what}"


def faults(unit: Unit) -> list[Fault]:
    """Every fault of every node that the result depends on, in the graph's order."""
    found = []
    for node in reachable(unit.schedule.output):
        if node.op not in ("input", "const"):
            found += [Fault(node, instead, what) for instead, what in _of(node)]
    return found


def _of(node: Bits) -> Iterator[tuple[Bits, str]]:
    g, w = node.graph, node.width

    def made(op: str, *operands: Bits, attribute: object = None) -> Bits:
        return Bits(g, node.index, op, w, operands, attribute)  # not interned, not folded

    for op in INSTEAD.get(node.op, ()):
        yield made(op, *node.operands), f"{op} instead"
    if node.op in ("sub", "ult", "slt"):
        yield made(node.op, *reversed(node.operands)), "operands swapped"
    if node.op == "mux":
        condition, if_true, if_false = node.operands
        yield made("mux", condition, if_false, if_true), "arms swapped"
        yield made("or", if_true, if_true), "stuck at the first arm"
        yield made("or", if_false, if_false), "stuck at the second arm"
    if node.op == "extract":
        assert isinstance(node.attribute, int)
        for low in (node.attribute - 1, node.attribute + 1):
            if 0 <= low <= node.operands[0].width - w:
                yield made("extract", *node.operands, attribute=low), f"from bit {low} instead of {node.attribute}"
    if node.op in ("table", "rom"):
        contents = node.attribute
        assert isinstance(contents, tuple)
        for entry, bit in ((len(contents) // 3, w - 1), (len(contents) // 2, w // 2)):
            changed = tuple(c ^ (1 << bit if i == entry else 0) for i, c in enumerate(contents))
            yield made(node.op, *node.operands, attribute=changed), f"bit {bit} of entry {entry} flipped"
    if w == 1:
        yield made("not", node), "inverted"
        zero, one = g.const(0, 1), g.const(1, 1)
        yield made("or", zero, zero), "stuck at 0"
        yield made("or", one, one), "stuck at 1"
    else:
        yield made("add", node, g.const(1, w)), "one more"
        yield made("add", node, node), "shifted left by one"
        yield made("and", node, g.const((1 << w) - 2, w)), "lowest bit stuck at 0"
        yield made("and", node, g.const((1 << w - 1) - 1, w)), "highest bit stuck at 0"


def faulty(unit: Unit, fault: Fault, name: str) -> Unit:
    """The combinational unit with that fault, called `name`."""
    graph = Graph()
    made: dict[int, Bits] = {}

    def copy(node: Bits, operands: tuple[Bits, ...]) -> Bits:
        if node.op == "input":
            return graph.input(str(node.attribute), node.width)
        if node.op == "const":
            return graph.const(node.value, node.width)
        if node.op == "concat":
            return cat(*operands)
        return graph.node(node.op, node.width, *operands, attribute=node.attribute)

    for node in unit.operands:
        made[node.index] = copy(node, ())
    for node in reachable(unit.schedule.output):
        made[node.index] = copy(node, tuple(made[o.index] for o in node.operands))
        if node.index == fault.node.index:
            constants = {o.index: copy(o, ()) for o in fault.instead.operands if o.op == "const"}
            operands = tuple((constants | made)[o.index] for o in fault.instead.operands)
            made[node.index] = copy(fault.instead, operands)
    output = made[unit.schedule.output.index]
    stages = {node.index: 0 for node in reachable(output)}
    schedule = replace(unit.schedule, output=output, depth=0, stages=stages, registered_roms=False)
    return replace(unit, name=name, operands=tuple(made[o.index] for o in unit.operands), schedule=schedule)
