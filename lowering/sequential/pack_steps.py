"""Packs the control that CIRCT generates for straight-line code: steps that use different hardware run in the same
cycles, and steps of equal duration become one group. This is the paper's second technique, applied to single steps: the
arms in one loop body (seq around par) share a controller.

Before:  seq { enable load_x0 ; enable load_x1 ; enable mul_0 ; enable mul_1 }      one group for each operation
After:   seq { enable load_x0 (x1 too) ; enable mul_0 (mul_1 too) }                 one group for each step

needs:   a component @core of lower-scf-to-calyx: each group drives the combinational cells that it needs, and cells
         that hold state are registers, memories, pipes and instances.
leaves:  in every `seq`, consecutive enables, invokes and ifs in as few steps as their dependences allow. A step follows
         any earlier one whose registers or memory ports it uses. Groups of the same shape (the same kinds of cells,
         connected in the same way) take equally long; they become one group, which is done when its first member is.
         Other parts of a step run in a `par`, unless they drive the same combinational cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch2hw.dialects import calyx_reader
from torch2hw.dialects.calyx_program import Assign, Component, Group, Logic, PortOf, Value

_STEPS = ("calyx.enable", "calyx.invoke", "calyx.if")
_PLACE = "torch2hw.place"


def pack(module: Any, wanted: bool) -> list[int]:
    """Packs @core of the CIRCT module in place; gives, for each `if` of the packed control in order, its number before.
    If not `wanted`, nothing is packed."""
    component = next(op.operation for op in module.body.operations if _symbol(op.operation) == "core")
    control = next(op.operation for op in _operations(component) if op.operation.name == "calyx.control")
    conditions = [op for op in _walk(control) if op.name == "calyx.if"]
    if not wanted:
        return list(range(len(conditions)))
    from torch2hw.tools.circt_bindings import ir

    for number, op in enumerate(conditions):
        op.attributes[_PLACE] = ir.IntegerAttr.get(ir.IntegerType.get_signless(32), number)
    packer = _Packer(ir, component, calyx_reader.read(module).components["core"])
    for op in reversed([op for op in _walk(control) if op.name == "calyx.seq"]):
        packer.sequence(op)
    order = []
    for op in _walk(control):
        if op.name == "calyx.if":
            order.append(int(op.attributes[_PLACE].value))
            del op.attributes[_PLACE]
    return order


@dataclass(frozen=True)
class Use:
    """The state that is read, the state that is changed, and the combinational cells that are driven, by name of the
    cell."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    drives: frozenset[str] = frozenset()

    def __or__(self, other: Use) -> Use:
        return Use(self.reads | other.reads, self.writes | other.writes, self.drives | other.drives)

    def before(self, later: Use) -> bool:
        """Whether `later` has to wait for this."""
        return bool(self.writes & (later.reads | later.writes) or self.reads & later.writes)


@dataclass
class _Step:
    """Groups of one shape, or one `if`."""

    use: Use
    shape: Any
    operations: list[Any] = field(default_factory=list)


@dataclass
class _Packer:
    ir: Any
    component_op: Any
    component: Component

    def __post_init__(self) -> None:
        wires = next(op.operation for op in _operations(self.component_op) if op.operation.name == "calyx.wires")
        self.groups = {
            _symbol(op.operation): op.operation
            for op in _operations(wires)
            if op.operation.name in ("calyx.group", "calyx.comb_group")
        }
        self.uses = {name: self.of_group(group) for name, group in self.component.groups.items()}

    # -- what a step touches
    def holds_state(self, cell: str) -> bool:
        kind = self.component.cells[cell].kind
        return kind.endswith("_pipe") or not (kind.startswith("std_") or kind in ("constant", "undefined"))

    def of_assigns(self, assigns: Sequence[Assign]) -> Use:
        reads: set[str] = set()
        for assign in assigns:
            reads |= set(_cells(assign.source)) | set(_cells(assign.guard))
        targets = {assign.target.cell for assign in assigns}
        state = {cell for cell in reads | targets if cell and self.holds_state(cell)}
        return Use(frozenset(reads & state), frozenset(targets & state), frozenset(targets - state))

    def of_group(self, group: Group) -> Use:
        done = {cell for source, guard in group.done for value in (source, guard) for cell in _cells(value)}
        return self.of_assigns(group.assigns) | Use(reads=frozenset(c for c in done if self.holds_state(c)))

    def of_operation(self, op: Any) -> Use:
        use = Use()
        for each in (op, *_walk(op)):
            if "groupName" in each.attributes:
                use |= self.uses[each.attributes["groupName"].value]
            if each.name in ("calyx.if", "calyx.invoke"):
                cells = {_symbol(operand.owner) for operand in each.operands}
                use |= Use(frozenset(c for c in cells if self.holds_state(c)))
            if each.name == "calyx.invoke":
                use |= Use(writes=frozenset((each.attributes["callee"].value,)))
        return use

    def shape(self, name: str) -> Any:
        """The shape of a group: groups of equal shape take equally long."""
        group, cells = self.component.groups[name], self.component.cells

        def of(value: Value | None) -> Any:
            if isinstance(value, PortOf):
                kind = cells[value.cell]
                return (kind.kind, kind.of, value.port) if self.holds_state(value.cell) else "combinational"
            if isinstance(value, Logic):
                return (value.operation, *map(of, value.operands))
            return value

        parts = []
        for assign in group.assigns:
            if assign.target.cell and self.holds_state(assign.target.cell):
                width = next(p.width_bits for p in cells[assign.target.cell].ports if p.name == assign.target.port)
                control = width == 1
                source = of(assign.source) if control else ""
                address = assign.target.port.startswith("addr")
                parts.append((of(assign.target), 0 if address else width, source, of(assign.guard)))
        done = [(of(source), of(guard)) for source, guard in group.done]
        return tuple(sorted(map(repr, parts))), tuple(sorted(map(repr, done)))

    # -- rewriting
    def sequence(self, op: Any) -> None:
        block = op.regions[0].blocks[0]
        children: list[Any] = []
        for each in list(block.operations):
            inner = each.operation
            children += list(_operations(inner)) if inner.name == "calyx.seq" else [inner]
        nested = [each.operation for each in block.operations if each.operation.name == "calyx.seq"]
        packed: list[Any] = []
        run: list[Any] = []
        for child in [*(each.operation for each in children), None]:
            if child is not None and child.name in _STEPS:
                run.append(child)
                continue
            packed += self.packed(run)
            run = []
            if child is not None:
                packed.append(child)
        for child in packed:
            block.append(child)
        for empty in nested:
            empty.erase()

    def packed(self, run: Sequence[Any]) -> list[Any]:
        """The steps in levels. A level is one control operation, or a few where combinational cells are shared."""
        uses = [self.of_operation(op) for op in run]
        levels: list[list[int]] = []
        level_of: list[int] = []
        for number, use in enumerate(uses):
            after = [level_of[other] + 1 for other in range(number) if uses[other].before(use)]
            level = max(after, default=0)
            level_of.append(level)
            while len(levels) <= level:
                levels.append([])
            levels[level].append(number)
        made = []
        for level_steps in levels:
            for together in self.apart(self.steps(run, uses, level_steps)):
                parts = [self.joined(step) for step in together]
                made.append(parts[0] if len(parts) == 1 else self.parallel(parts))
        return made

    def steps(self, run: Sequence[Any], uses: Sequence[Use], numbers: Sequence[int]) -> list[_Step]:
        found: dict[Any, _Step] = {}
        for number in numbers:
            op = run[number]
            shape = self.shape(op.attributes["groupName"].value) if op.name == "calyx.enable" else number
            step = found.setdefault(shape, _Step(Use(), shape))
            step.use |= uses[number]
            step.operations.append(op)
        return list(found.values())

    def apart(self, steps: Sequence[_Step]) -> list[list[_Step]]:
        """The steps of one level in as few parts as possible, such that no two steps of a part drive the same cell."""
        parts: list[list[_Step]] = []
        for step in steps:
            for part in parts:
                if not any(step.use.drives & other.use.drives for other in part):
                    part.append(step)
                    break
            else:
                parts.append([step])
        return parts

    def joined(self, step: _Step) -> Any:
        """One enable for all the groups of a step."""
        first, *others = step.operations
        if not others:
            return first
        target = self.groups[first.attributes["groupName"].value]
        block = target.regions[0].blocks[0]
        present = {_key(op.operation) for op in block.operations}
        end = next(op.operation for op in block.operations if op.operation.name == "calyx.group_done")
        for enable in others:
            group = self.groups[enable.attributes["groupName"].value]
            for each in list(group.regions[0].blocks[0].operations):
                inner = each.operation
                if inner.name == "calyx.group_done" or (inner.name == "calyx.assign" and _key(inner) in present):
                    continue
                present.add(_key(inner))
                inner.move_before(end)
            enable.erase()
            group.erase()
        self.uses[first.attributes["groupName"].value] = step.use
        return first

    def parallel(self, parts: Sequence[Any]) -> Any:
        with parts[0].location:
            around = self.ir.Operation.create("calyx.par", regions=1, ip=False)
        block = around.regions[0].blocks.append()
        for part in parts:
            block.append(part)
        return around


def _cells(value: Value | None) -> Iterator[str]:
    if isinstance(value, PortOf):
        if value.cell:
            yield value.cell
    elif isinstance(value, Logic):
        for operand in value.operands:
            yield from _cells(operand)


def _symbol(op: Any) -> str:
    return str(op.attributes["sym_name"].value) if "sym_name" in op.attributes else ""


def _operations(op: Any) -> list[Any]:
    return [each for region in op.regions for block in region.blocks for each in block.operations]


def _walk(op: Any) -> Iterator[Any]:
    """Every operation inside `op`, outer ones first."""
    for each in _operations(op):
        yield each.operation
        yield from _walk(each.operation)


def _key(op: Any) -> Any:
    """Equal for assignments of the same source to the same port."""
    return op.name, tuple(hash(operand) for operand in op.operands), () if op.name == "calyx.assign" else hash(op)
