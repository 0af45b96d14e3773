"""A function on memrefs as steps: loops with their indices resolved, conditions on every access.

Before:  affine.for %i = 2 to 10 step 2 iter_args(%s = %0) { … affine.yield %t }
After:   a cell; store %0 in it; Repeated(i < 4) { load the cell as %s; …; store %t in it }; load the cell as the result

leaves: indices of loops counted from 0 in steps of 1; bounds that depend on outer loops as conditions.
refuses: `unsupported-operation`; `data-dependent` (loops whose rounds depend on values).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

from torch2hw.analysis.refusals import unsupported
from torch2hw.dialects.quasi_affine import Index, Variable, variable
from torch2hw.frontend.mlir_memories import is_plain
from torch2hw.frontend.refusals import DataDependentControlFlow, UnsupportedOperation
from torch2hw.lowering.linalg.mlir_attributes import source_at, type_name
from torch2hw.lowering.memref.index_values import IndexValues, affine_results
from torch2hw.lowering.memref.low_bits import defining
from torch2hw.lowering.memref.steps import Access, Condition, Item, Made, Memory, Repeated, Steps

Conditions = tuple[Condition, ...]
_SILENT = ("memref.dealloc", "memref.assume_alignment", "affine.yield", "scf.yield", "cf.assert", "scf.reduce")


def steps_of(function: Any) -> tuple[Steps, IndexValues, dict[Any, Memory]]:
    """The steps of a func.func whose calls are inlined; its indices, and its memories by their MLIR values."""
    builder = _Builder()
    return builder.function(function), builder.indices, builder.memories


class _Builder:
    def __init__(self) -> None:
        self.indices = IndexValues()
        self.memories: dict[Any, Memory] = {}
        self.loops = 0
        self.shared: dict[Any, Memory] = {}  # results of loops that go on with what the loop around them carries

    def function(self, function: Any) -> Steps:
        block = function.operation.regions[0].blocks[0]
        steps = Steps()
        for argument in block.arguments:
            self.memory(argument, function)
        steps.body = self.block(block, ())
        steps.returned = [self.memory(value, function) for value in list(block.operations)[-1].operands]
        return steps

    def memory(self, value: Any, op: Any) -> Memory:
        """The memory of a memref; casts stand for what they cast."""
        if value not in self.memories:
            owner = defining(value)
            if owner is not None and owner.name == "memref.cast":
                self.memories[value] = self.memory(owner.operands[0], op)
            else:
                if owner is not None and owner.name not in ("memref.alloc", "memref.alloca", "memref.get_global"):
                    raise unsupported(owner.name, source_at(owner))
                kind = ir.MemRefType(value.type)
                if not is_plain(kind) or not kind.has_static_shape:
                    raise unsupported(f"a memory of type {kind}", source_at(op))
                shape = tuple(int(size) for size in kind.shape)
                self.memories[value] = Memory(shape, type_name(kind.element_type), op, value)
        return self.memories[value]

    def block(self, block: Any, conditions: Conditions) -> list[Item]:
        items: list[Item] = []
        for operation in block.operations:
            items += self.operation(operation.operation, conditions)
        return items

    def operation(self, op: Any, conditions: Conditions) -> list[Item]:
        name = op.name
        if name in ("affine.load", "memref.load"):
            at = self.place(op, list(op.operands)[1:])
            return [Access(self.memory(op.operands[0], op), at, op, conditions, result=op.results[0])]
        if name in ("affine.store", "memref.store"):
            at = self.place(op, list(op.operands)[2:])
            return [Access(self.memory(op.operands[1], op), at, op, conditions, stored=op.operands[0])]
        if name in ("memref.alloc", "memref.alloca"):
            return [Made(self.memory(op.results[0], op))]
        if name == "affine.for":
            return self.affine_loop(op, conditions)
        if name == "scf.for":
            return self.loop(op, *self.scf_bounds(op), list(op.operands)[3:], conditions)
        if name == "affine.parallel":
            return self.parallel(op, conditions)
        if name in ("affine.if", "scf.if"):
            return self.branch(op, conditions)
        if name == "memref.get_global":
            self.memory(op.results[0], op)
        known = name in _SILENT or name in ("memref.get_global", "memref.cast", "affine.apply", "func.return")
        if not known and not name.startswith(("arith.", "math.")):
            raise unsupported(name, source_at(op))
        return []

    def place(self, op: Any, operands: Sequence[Any]) -> tuple[Index | Any, ...]:
        """The indices of an access; a value where the loops alone do not give it."""
        found = [self.indices.of(value) for value in operands]
        if op.name.startswith("memref."):
            return tuple(value if index is None else index for value, index in zip(operands, found, strict=True))
        known = [index for index in found if index is not None]
        if len(known) == len(found):
            return tuple(affine_results(op.attributes["map"].value, known))
        results = op.attributes["map"].value.results
        if all(isinstance(each, ir.AffineDimExpr | ir.AffineSymbolExpr) for each in results):
            first = op.attributes["map"].value.n_dims
            order = [each.position + first * isinstance(each, ir.AffineSymbolExpr) for each in results]
            return tuple(operands[k] if found[k] is None else found[k] for k in order)
        raise UnsupportedOperation(
            "an index is computed from values and by index arithmetic",
            location=_place(op),
            why="index arithmetic is known when the design is made",
            fix="compute the index with arith, and cast it last",
        )

    def bound(self, op: Any, values: Sequence[Any], mapping: Any = None) -> list[Index]:
        found = [self.indices.of(value) for value in values]
        known = [index for index in found if index is not None]
        if len(known) != len(found):
            raise DataDependentControlFlow(
                "the number of rounds of a loop depends on values",
                location=_place(op),
                why="the hardware takes as many cycles in every run",
                fix="give the loop a constant number of rounds, and select in it what counts",
            )
        return known if mapping is None else affine_results(mapping, known)

    def scf_bounds(self, op: Any) -> tuple[Index, list[Index], int]:
        low, high, step = self.bound(op, list(op.operands)[:3])
        if not step.is_constant or step.constant < 1:
            raise unsupported("a loop whose step is no positive constant", source_at(op))
        return low, [high], step.constant

    def affine_loop(self, op: Any, conditions: Conditions) -> list[Item]:
        lower, upper, _ = (int(each) for each in op.attributes["operandSegmentSizes"])
        values = list(op.operands)
        lows = self.bound(op, values[:lower], op.attributes["lowerBoundMap"].value)
        highs = self.bound(op, values[lower : lower + upper], op.attributes["upperBoundMap"].value)
        if len(lows) != 1:
            raise unsupported("a loop that begins at the maximum of several bounds", source_at(op))
        return self.loop(op, lows[0], highs, int(op.attributes["step"].value), values[lower + upper :], conditions)

    def loop(
        self, op: Any, low: Index, highs: list[Index], step: int, starts: list[Any], conditions: Conditions
    ) -> list[Item]:
        """A loop, what it carries held in cells."""
        spans = [(high - low).bounds() for high in highs]
        extent = max(0, min(-(-most // step) for _, most in spans))
        block = op.regions[0].blocks[0]
        arguments = list(block.arguments)
        results = list(op.results)
        cells = [self.shared.get(result) or Memory((), type_name(result.type), op) for result in results]
        items: list[Item] = []
        for cell, start, result in zip(cells, starts, results, strict=True):
            if result not in self.shared:
                items += [Made(cell), Access(cell, (), op, conditions, stored=start)]
        if extent:
            own = self.counter(extent)
            self.indices.known[arguments[0]] = low + variable(own) * step
            left = [high - 1 - self.indices.known[arguments[0]] for high in highs]
            bounds = tuple(Condition((each,)) for each in left if each.bounds()[0] < 0)
            inner = (*conditions, *bounds)
            carried = list(zip(cells, arguments[1:], list(block.operations)[-1].operation.operands, strict=True))
            handed = {end: cell for cell, argument, end in carried if _hands_on(argument, end, block)}
            self.shared.update(handed)
            body: list[Item] = [
                Access(cell, (), op, inner, result=argument) for cell, argument, end in carried if end not in handed
            ]
            body += self.block(block, inner)
            body += [Access(cell, (), op, inner, stored=end) for cell, _, end in carried if end not in handed]
            items.append(Repeated(own, body, op, surely=all(least >= 1 for least, _ in spans)))
        for cell, result in zip(cells, results, strict=True):
            if result not in self.shared:
                items.append(Access(cell, (), op, conditions, result=result))
        return items

    def counter(self, extent: int) -> Variable:
        self.loops += 1
        return Variable(f"i{self.loops - 1}", extent)

    def parallel(self, op: Any, conditions: Conditions) -> list[Item]:
        lows = self.bound(op, [], op.attributes["lowerBoundsMap"].value) if not list(op.operands) else []
        if not lows or list(op.results):
            raise unsupported("affine.parallel with a reduction or computed bounds", source_at(op))
        highs = self.bound(op, [], op.attributes["upperBoundsMap"].value)
        steps = [int(each.value) for each in op.attributes["steps"]]
        block, variables = op.regions[0].blocks[0], []
        for argument, low, high, step in zip(block.arguments, lows, highs, steps, strict=True):
            extent = -(-(high.constant - low.constant) // step)
            if extent < 1:
                return []
            variables.append(self.counter(extent))
            self.indices.known[argument] = low + variable(variables[-1]) * step
        body = self.block(block, conditions)
        for own in reversed(variables):
            body = [Repeated(own, body, op)]
        return body

    def branch(self, op: Any, conditions: Conditions) -> list[Item]:
        """Both arms, their accesses under the condition and its opposite."""
        found = self.indices.condition(op.operands[0]) if op.name == "scf.if" else self.indices.affine_condition(op)
        if found is None:
            raise unsupported("affine.if on computed values", source_at(op))
        items: list[Item] = []
        for region, negated in zip(op.regions, (False, True), strict=False):
            if region.blocks:
                condition = Condition(found.indices, found.value, found.negated != negated)
                items += self.block(region.blocks[0], (*conditions, condition))
        return items


def _hands_on(argument: Any, end: Any, block: Any) -> bool:
    """Whether a loop of `block` alone takes what the loop around it carries, and gives back what that carries next."""
    uses = list(argument.uses)
    inner = defining(end)
    if inner is None or inner.name not in ("affine.for", "scf.for") or inner.block != block or len(uses) != 1:
        return False
    number = [each == end for each in inner.results].index(True)
    starts = list(inner.operands)[len(inner.operands) - len(inner.results) :]
    return len(list(end.uses)) == 1 and uses[0].owner.operation == inner and bool(starts[number] == argument)


def _place(op: Any) -> tuple[str, int] | None:
    source = source_at(op)
    return None if source is None else (source.file, source.line)
