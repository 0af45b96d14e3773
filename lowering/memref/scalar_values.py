"""The value of an MLIR scalar in one iteration of a kernel, and of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.loops import IndexValue
from torch2hw.dialects.number_types import find_number_type, number_type
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.dialects.verify.kernel_accesses import possible
from torch2hw.frontend.refusals import IndexOutOfRange, UnsupportedDtype
from torch2hw.lowering.linalg.mlir_attributes import predicate_of, scalar_bits, source_at, type_name
from torch2hw.lowering.linalg.scalar_body import ScalarBody
from torch2hw.lowering.memref.contents import Contents
from torch2hw.lowering.memref.low_bits import MAX_BITS, RING, bits_of, defining, fits, is_wide, range_of
from torch2hw.lowering.memref.steps import Access, Condition

_SIGNED = ("arith.divsi", "arith.remsi", "arith.shrsi", "arith.maxsi", "arith.minsi", "arith.select")
_UNSIGNED = ("arith.divui", "arith.remui", "arith.shrui", "arith.maxui", "arith.minui", "arith.uitofp")


class ScalarValues:
    """Adds to `body` what values are computed from; `body.values` has those that are known."""

    def __init__(self, contents: Contents, body: ScalarBody) -> None:
        self.contents, self.body = contents, body
        self.narrow: dict[tuple[Any, int], str] = {}

    def of(self, value: Any) -> str:
        """The name of a value; of an integer of more than 64 bits, that of as large an i64."""
        if value not in self.body.values:
            self.body.values[value] = self._made(value)
        return self.body.values[value]

    def _made(self, value: Any) -> str:
        if value in self.contents.held:
            return self._loaded(*self.contents.held[value])
        op = defining(value)
        kind = type_name(value.type)
        if is_wide(value):
            return self._whole(value)
        if op is not None and op.name == "arith.constant":
            return self.body.constant(scalar_bits(op.attributes["value"], kind), kind)
        index = self.contents.indices.of(value)
        if index is not None:
            return self._index(self.contents.now(index), kind)
        assert op is not None, "a value that no step has computed"
        if op.name == "arith.trunci":
            return self.low(op.operands[0], bits_of(value))
        if op.name in ("scf.if", "affine.if"):
            return self._chosen(op, [each == value for each in op.results].index(True))
        if not op.name.startswith(("arith.", "math.")):
            raise unsupported(op.name, source_at(op))
        self._known_type(value)
        return self._operation(op, op.operands, kind)

    def _operation(self, op: Any, operands: Sequence[Any], kind: str) -> str:
        names = tuple(self.of(each) for each in operands)
        unsigned = op.name in _UNSIGNED or (op.name == "arith.cmpi" and str(predicate_of(op)).startswith("u"))
        if unsigned and any(is_wide(each) and range_of(each)[0] < 0 for each in operands):
            raise _too_wide(operands[0], op)
        return self.body.operation(op.name, names, kind, predicate_of(op), source_at(op))

    def _known_type(self, value: Any) -> None:
        if find_number_type(type_name(value.type)) is None:
            raise UnsupportedDtype(
                f"a value of type {value.type}",
                location=_place(defining(value)),
                fix="use floats of 16, 32 or 64 bits, and integers of up to 64",
            )

    def _index(self, index: Index, kind: str) -> str:
        if index.is_constant:
            return self.body.constant(index.constant & number_type(kind).mask, kind)
        same = (s for s in self.body.statements if isinstance(s, IndexValue) and s.index == index)
        made = next((each.result for each in same), None) or self.body.add(IndexValue(self.body.fresh("n"), index))
        return made if kind == "index" else self.body.operation("arith.index_cast", (made,), kind, None, None)

    def _chosen(self, op: Any, number: int) -> str:
        indices = self.contents.indices
        found = indices.condition(op.operands[0]) if op.name == "scf.if" else indices.affine_condition(op)
        assert found is not None
        ends = [list(list(region.blocks[0].operations)[-1].operation.operands)[number] for region in op.regions]
        return self.select(self.condition(found), self.of(ends[0]), self.of(ends[1]))

    def select(self, flag: str, one: str, other: str) -> str:
        """`one` where the flag is set, else `other`."""
        if flag in self.body.known:
            return one if self.body.known[flag] else other
        if one == other:
            return one
        return self.body.operation("arith.select", (flag, one, other), self.body.types[one], None, None)

    def condition(self, condition: Condition) -> str:
        """A flag that says whether it holds."""
        flags = [] if condition.value is None else [self.of(condition.value)]
        for index in condition.indices:
            now = self.contents.now(index)
            low, high = now.bounds()
            if low < 0:
                zero = self.body.constant(0, "index")
                at = self._index(now, "index")
                known = self.body.constant(0, "i1") if high < 0 else None
                flags.append(known or self.body.operation("arith.cmpi", (at, zero), "i1", "sge", None))
        return self._inverted(self._all(flags)) if condition.negated else self._all(flags)

    def conditions(self, conditions: Sequence[Condition]) -> str:
        """A flag that says whether all hold."""
        return self._all([self.condition(each) for each in conditions])

    def _all(self, flags: Sequence[str]) -> str:
        open_flags = [flag for flag in flags if self.body.known.get(flag) != 1]
        if not open_flags:
            return self.body.constant(1, "i1")
        result = open_flags[0]
        for flag in open_flags[1:]:
            result = self.body.operation("arith.andi", (result, flag), "i1", None, None)
        return result

    def _inverted(self, flag: str) -> str:
        return self.body.operation("arith.xori", (flag, self.body.constant(1, "i1")), "i1", None, None)

    # -- memories
    def _loaded(self, access: Access, view: Any) -> str:
        loops = [self.contents.now(variable(loop)) for loop in self.contents.around.get(access.memory, ())]
        own = [self._position(each, size) for each, size in zip(access.at, access.memory.shape, strict=True)]
        at, computed = [*loops, *own], {v for index in own for v in index.variables() if v.name in self.body.types}
        needed = in_range(access, at, view.shape, self.contents)
        element = view.element(at)
        if computed and (element.guard or any(not i.is_affine and i.variables() & computed for i in element.indices)):
            element = self.contents.values.materialise(view, access.op).element(at)
        element = replace(element, guard=(*element.guard, *needed)) if element.buffer is not None else element
        return self.body.read(self.contents.values.moved(element), view.dtype, source_at(access.op))

    def _position(self, at: Any, size: int) -> Index:
        if isinstance(at, Index):
            return self.contents.now(at)
        name = self.of(at)
        if name in self.body.known:
            return constant(self.body.known[name])
        return variable(Variable(name, size))

    # -- bits
    def _whole(self, value: Any) -> str:
        if not fits(value):
            raise _too_wide(value, defining(value))
        return self.low(value, MAX_BITS)

    def low(self, value: Any, bits: int) -> str:
        """The low bits of a value of at least as many."""
        if bits_of(value) == bits:
            return self.of(value)
        if (value, bits) not in self.narrow:
            self.narrow[value, bits] = self._low(value, bits)
        return self.narrow[value, bits]

    def _low(self, value: Any, bits: int) -> str:
        op, kind = defining(value), f"i{bits}"
        name = "" if op is None or value in self.contents.held or value in self.body.values else op.name
        if name == "arith.constant":
            return self.body.constant(int(str(op.attributes["value"]).split(" : ")[0]) & ((1 << bits) - 1), kind)
        if name in RING:
            names = tuple(self.low(each, bits) for each in op.operands)
            return self.body.operation(name, names, kind, None, source_at(op))
        if name == "arith.select" and bits_of(value):
            one, other = (self.low(each, bits) for each in list(op.operands)[1:])
            return self.select(self.of(op.operands[0]), one, other)
        if name in ("arith.extsi", "arith.extui", "arith.trunci"):
            source = op.operands[0]
            if bits_of(source) >= bits:
                return self.low(source, bits)
            return self.body.operation(name, (self.of(source),), kind, None, source_at(op))
        if is_wide(value):
            if name not in (*_SIGNED, *_UNSIGNED) or not all(fits(each) for each in op.operands):
                raise _too_wide(value, op)
            whole = self._operation(op, op.operands, f"i{MAX_BITS}")
        else:
            whole = self.of(value)
        return whole if bits == MAX_BITS and is_wide(value) else self._cut(whole, kind, op)

    def _cut(self, name: str, kind: str, op: Any) -> str:
        source = None if op is None else source_at(op)
        return self.body.operation("arith.trunci", (name,), kind, None, source)


def in_range(access: Access, at: Sequence[Index], shape: Sequence[int], contents: Contents) -> tuple[Index, ...]:
    """The conditions that keep an access in its memory, if any are needed; refuses one that can leave it."""
    guards = tuple(contents.now(index) for each in access.conditions for index in each.guard or ())
    outside = [o for i, size in zip(at, shape, strict=True) for o in (i * -1 - 1, i - size) if o.bounds()[1] >= 0]
    if any(possible((each, *guards)) for each in outside):
        raise IndexOutOfRange(
            "an index can leave its memory",
            location=_place(access.op),
            why=f"the memory has the shape {'x'.join(map(str, access.memory.shape)) or 'of one element'}",
            fix="correct the bounds of the loops, or put the access under a condition on their indices",
        )
    return guards if outside else ()


def _too_wide(value: Any, op: Any) -> UnsupportedDtype:
    return UnsupportedDtype(
        f"all bits of a value of type {value.type} count, and it may need more than {MAX_BITS}",
        location=_place(op),
        why=f"the hardware has integers of up to {MAX_BITS} bits",
        fix="truncate the value before it is compared, divided, shifted or stored",
    )


def _place(op: Any) -> tuple[str, int] | None:
    source = None if op is None else source_at(op)
    return None if source is None else (source.file, source.line)
