"""Bit-vector expression graphs: the one description of a unit's arithmetic, before it is cut into pipeline stages.

Values are unsigned bit vectors of a fixed, explicit width (at least 1). Every node is interned (hash-consed) in its
Graph: building the same expression twice gives the same object, so `is` compares structure. Operands precede their
users in `Graph.nodes`, which is therefore a topological order. Building folds constants and the usual identities.

Width rules (operands -> result):
  add, sub       w, w -> w, modulo 2^w          mul, muls       a, b -> a + b, exact (unsigned, two's complement)
  and, or, xor   w, w -> w                      not             w -> w
  eq, ult, slt   w, w -> 1                      any, all        w -> 1
  mux            1, w, w -> w                   concat          most significant first, sum of the widths
  extract        w -> width, attribute = index of its lowest bit
  rep            1 -> n, attribute = n
  table, rom     w -> attribute = 2^w contents; `rom` may become a block RAM (one register of its own), `table` is logic
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

from .node_values import evaluate_node

Operand = Union["Bits", int]
LOGIC_ADDRESS_BITS = 5  # a look-up by so few bits is a LUT for each bit of its contents
SIGNED = "signed"  # attribute of a sum that is one of signed numbers in Verilog; the bits are the same
COMMUTATIVE = frozenset({"add", "mul", "muls", "and", "or", "xor", "eq"})


class Bits:
    """One node. `attribute` is op-specific: a name, a value, a bit index, a repeat count or a tuple of table
    contents.
    """

    __slots__ = ("attribute", "graph", "hint", "index", "op", "operands", "width")

    def __init__(self, graph: Graph, index: int, op: str, width: int, operands: tuple[Bits, ...], attribute: object):
        self.graph, self.index, self.op, self.width = graph, index, op, width
        self.operands, self.attribute = operands, attribute
        self.hint = ""

    def named(self, hint: str) -> Bits:
        """The same node, with a name to carry into the generated hardware (the first one given wins)."""
        self.hint = self.hint or hint
        return self

    @property
    def value(self) -> int:
        """The value of a constant."""
        assert self.op == "const" and isinstance(self.attribute, int)
        return self.attribute

    @property
    def mask(self) -> int:
        """The value of `width` ones."""
        return (1 << self.width) - 1

    def coerce(self, other: Operand) -> Bits:
        """A number as a constant of this node's width; a node as it is."""
        return self.graph.const(other, self.width) if isinstance(other, int) else other

    def __add__(self, other: Operand) -> Bits:
        return self.graph.node("add", self.width, self, self.coerce(other))

    def __sub__(self, other: Operand) -> Bits:
        return self.graph.node("sub", self.width, self, self.coerce(other))

    def __rsub__(self, other: Operand) -> Bits:
        return self.graph.node("sub", self.width, self.coerce(other), self)

    def __and__(self, other: Operand) -> Bits:
        return self.graph.node("and", self.width, self, self.coerce(other))

    def __or__(self, other: Operand) -> Bits:
        return self.graph.node("or", self.width, self, self.coerce(other))

    def __xor__(self, other: Operand) -> Bits:
        return self.graph.node("xor", self.width, self, self.coerce(other))

    def __invert__(self) -> Bits:
        return self.graph.node("not", self.width, self)

    def bits(self, low: int, width: int) -> Bits:
        """Bits low .. low + width - 1."""
        return self.graph.node("extract", width, self, attribute=low)

    def bit(self, position: int) -> Bits:
        """One bit; 0 is the least significant."""
        return self.bits(position, 1)

    def top(self, width: int) -> Bits:
        """The `width` most significant bits."""
        return self.bits(self.width - width, width)

    def drop(self, count: int) -> Bits:
        """Without the `count` least significant bits."""
        return self.bits(count, self.width - count)

    def eq(self, other: Operand) -> Bits:
        """Equality, 1 bit; both operands have one width."""
        return self.graph.node("eq", 1, self, self.coerce(other))

    def ult(self, other: Operand) -> Bits:
        """Unsigned less-than, 1 bit; both operands have one width."""
        return self.graph.node("ult", 1, self, self.coerce(other))

    def slt(self, other: Operand) -> Bits:
        """Signed less-than (two's complement), 1 bit; both operands have one width."""
        return self.graph.node("slt", 1, self, self.coerce(other))

    def any(self) -> Bits:
        """Whether a bit is 1."""
        return self.graph.node("any", 1, self)

    def all(self) -> Bits:
        """Whether all bits are 1."""
        return self.graph.node("all", 1, self)

    def rep(self, count: int) -> Bits:
        """A single bit, `count` times."""
        assert self.width == 1
        return self.graph.node("rep", count, self, attribute=count)

    def zext(self, width: int) -> Bits:
        """Zeros above, up to `width`."""
        assert width >= self.width
        return self if width == self.width else cat(self.graph.const(0, width - self.width), self)

    def sext(self, width: int) -> Bits:
        """Copies of the top bit above, up to `width`."""
        assert width >= self.width
        return self if width == self.width else cat(self.top(1).rep(width - self.width), self)

    def shl(self, amount: int) -> Bits:
        """Shifted left by a constant and that much wider."""
        return self if amount == 0 else cat(self, self.graph.const(0, amount))


def cat(*parts: Bits) -> Bits:
    """Concatenation, most significant part first."""
    return parts[0].graph.node("concat", sum(p.width for p in parts), *parts)


def mux(condition: Bits, if_true: Operand, if_false: Operand) -> Bits:
    """`condition ? if_true : if_false`; at least one of them is a node, which gives a number its width."""
    if isinstance(if_true, int):
        assert isinstance(if_false, Bits)
        if_true = if_false.coerce(if_true)
    return condition.graph.node("mux", if_true.width, condition, if_true, if_true.coerce(if_false))


def mul(left: Bits, right: Bits) -> Bits:
    """Exact unsigned product."""
    return left.graph.node("mul", left.width + right.width, left, right)


def muls(left: Bits, right: Bits) -> Bits:
    """Exact two's complement product."""
    return left.graph.node("muls", left.width + right.width, left, right)


def add_carry(left: Bits, right: Bits, carry: Bits) -> Bits:
    """left + right + carry modulo 2^w on one carry chain (a position below the lowest makes the carry)."""
    one = left.graph.const(1, 1)
    return (cat(left, one) + cat(right, carry)).drop(1)


def table(address: Bits, width: int, contents: Sequence[int]) -> Bits:
    """A look-up in logic."""
    return address.graph.node("table", width, address, attribute=_contents(address, width, contents))


def rom(address: Bits, width: int, contents: Sequence[int]) -> Bits:
    """A look-up that a pipeline turns into a registered (block) memory. Synthesis makes logic of a small one, which
    would stand before that register: it is a table.
    """
    if address.width <= LOGIC_ADDRESS_BITS:
        return table(address, width, contents)
    return address.graph.node("rom", width, address, attribute=_contents(address, width, contents))


def _contents(address: Bits, width: int, contents: Sequence[int]) -> tuple[int, ...]:
    assert len(contents) <= 1 << address.width and all(0 <= v < 1 << width for v in contents)
    return tuple(contents) + (0,) * ((1 << address.width) - len(contents))


class Graph:
    """An interning table of nodes; inputs are made by name, in port order."""

    def __init__(self) -> None:
        self.nodes: list[Bits] = []
        self.inputs: list[Bits] = []
        self._interned: dict[tuple[object, ...], Bits] = {}

    def input(self, name: str, width: int) -> Bits:
        """The input of that name, made when it is first asked for."""
        node = self._intern("input", width, (), name)
        if node not in self.inputs:
            self.inputs.append(node)
        return node

    def const(self, value: int, width: int) -> Bits:
        """The constant `value` modulo 2**`width`."""
        return self._intern("const", width, (), value & ((1 << width) - 1))

    def node(self, op: str, width: int, *operands: Bits, attribute: object = None) -> Bits:
        """The interned, folded node; checks the width rules of the module docstring."""
        _check(op, width, operands, attribute)
        if op in COMMUTATIVE:
            operands = tuple(sorted(operands, key=lambda o: (o.op == "const", o.index)))
        if op == "concat":
            return self._concat(operands)
        folded = _fold(self, op, width, operands, attribute)
        return folded if folded is not None else self._intern(op, width, operands, attribute)

    def _intern(self, op: str, width: int, operands: tuple[Bits, ...], attribute: object) -> Bits:
        key = (op, width, tuple(o.index for o in operands), attribute)
        node = self._interned.get(key)
        if node is None:
            node = self._interned[key] = Bits(self, len(self.nodes), op, width, operands, attribute)
            self.nodes.append(node)
        return node

    def _concat(self, operands: tuple[Bits, ...]) -> Bits:
        parts: list[Bits] = []
        for part in (p for o in operands for p in (o.operands if o.op == "concat" else (o,))):
            joined = _join(self, parts[-1], part) if parts else None
            if joined is not None:
                parts[-1] = joined
            else:
                parts.append(part)
        return parts[0] if len(parts) == 1 else self._intern("concat", sum(p.width for p in parts), tuple(parts), None)


def _join(graph: Graph, high: Bits, low: Bits) -> Bits | None:
    """One node for two neighbours of a concatenation, where there is one."""
    if high.op == "const" and low.op == "const":
        return graph.const(high.value << low.width | low.value, high.width + low.width)
    if high.op == low.op == "extract" and high.operands == low.operands and _int(high) == _int(low) + low.width:
        return low.operands[0].bits(_int(low), high.width + low.width)
    return None


def _int(node: Bits) -> int:
    assert isinstance(node.attribute, int)
    return node.attribute


def _check(op: str, width: int, operands: tuple[Bits, ...], attribute: object) -> None:
    widths = [o.width for o in operands]
    assert width >= 1, f"{op} of no bits"
    if op in ("add", "sub", "and", "or", "xor"):
        assert widths == [width, width], f"{op}: {widths} -> {width}"
    elif op in ("eq", "ult", "slt"):
        assert widths[0] == widths[1], f"{op}: {widths}"
    elif op == "mux":
        assert widths == [1, width, width], f"mux: {widths} -> {width}"
    elif op == "extract":
        assert isinstance(attribute, int) and attribute >= 0, f"extract from {attribute}"
        assert attribute + width <= widths[0], f"extract {attribute}+{width} of {widths}"


def evaluate(output: Bits, inputs: dict[str, int]) -> int:
    """The value of `output` for the given inputs, node by node (slow; the reference of the emitters' tests)."""
    values: dict[int, int] = {}
    for node in reachable(output):
        if node.op == "const":
            values[node.index] = node.value
        elif node.op == "input":
            values[node.index] = inputs[str(node.attribute)]
        else:
            pairs = tuple((values[o.index], o.width) for o in node.operands)
            values[node.index] = evaluate_node(node.op, node.width, pairs, node.attribute)
    return values[output.index]


def reachable(output: Bits) -> list[Bits]:
    """The nodes that `output` depends on and itself, operands first."""
    seen = {output.index}
    for node in reversed(output.graph.nodes[: output.index + 1]):
        if node.index in seen:
            seen.update(o.index for o in node.operands)
    return [output.graph.nodes[i] for i in sorted(seen)]


def _fold(g: Graph, op: str, width: int, operands: tuple[Bits, ...], attribute: object) -> Bits | None:
    """A simpler node of the same value, or None."""
    if all(o.op == "const" for o in operands):
        pairs = tuple((o.value, o.width) for o in operands)
        return g.const(evaluate_node(op, width, pairs, attribute), width)
    a = operands[0]
    b = operands[1] if len(operands) > 1 else a
    constant = b.value if len(operands) > 1 and b.op == "const" else None
    match op:
        case "add" | "sub" | "or" | "xor" if constant == 0:
            return a
        case "and" if constant == a.mask:
            return a
        case "and" if constant == 0:
            return b
        case "or" if constant == a.mask:
            return b
        case "xor" if constant == a.mask:
            return ~a
        case "and" | "or" if a is b:
            return a
        case "xor" | "sub" if a is b:
            return g.const(0, width)
        case "eq" | "ult" | "slt" if a is b:
            return g.const(int(op == "eq"), 1)
        case "eq" if a.width == 1 and constant is not None:
            return a if constant else ~a
        case "eq" if constant == 0:
            return ~a.any()
        case "eq" if constant == a.mask:
            return a.all()
        case "mul" if constant == 0:
            return g.const(0, width)
        case "not" if a.op == "not":
            return a.operands[0]
        case "any" | "all" if a.width == 1:
            return a
        case "rep" if attribute == 1:
            return a
        case "mux":
            return _fold_mux(g, width, *operands)
        case "extract":
            return _fold_extract(a, width, attribute)
    return None


def _fold_mux(g: Graph, width: int, condition: Bits, if_true: Bits, if_false: Bits) -> Bits | None:
    if condition.op == "const":
        return if_true if condition.value else if_false
    if if_true is if_false:
        return if_true
    if condition.op == "not":
        return mux(condition.operands[0], if_false, if_true)
    if width == 1 and if_true.op == "const":
        return condition | if_false if if_true.value else ~condition & if_false
    if width == 1 and if_false.op == "const":
        return ~condition | if_true if if_false.value else condition & if_true
    return None


def _fold_extract(a: Bits, width: int, attribute: object) -> Bits | None:
    assert isinstance(attribute, int)
    low = attribute
    if width == a.width:
        return a
    if a.op == "extract":
        return a.operands[0].bits(_int(a) + low, width)
    if a.op == "rep":
        return a.operands[0].rep(width)
    if a.op == "concat":
        parts: list[Bits] = []
        position = a.width
        for part in a.operands:
            position -= part.width
            first, last = max(low, position), min(low + width, position + part.width)
            if first < last:
                parts.append(part.bits(first - position, last - first))
        return cat(*parts)
    return None
