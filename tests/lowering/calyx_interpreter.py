"""What Calyx means, cycle by cycle, written independently of the hardware that we make of it: generators over control.

A control generator yields the groups that are active in a cycle (name → cycle within the group) and is sent a
function that evaluates values in it; or it yields a `Test`, is sent the condition's value at once, and no time passes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from torch2hw.dialects.calyx_program import (
    Component,
    ComponentProgram,
    Control,
    Cycles,
    Enable,
    GroupGo,
    If,
    Invoke,
    Literal,
    Logic,
    Parallel,
    PortOf,
    Repeat,
    Sequence,
    Value,
    While,
)


@dataclass(frozen=True)
class Test:
    group: str
    condition: Value


Active = set[tuple[str, int]]
Steps = Generator[Any, Any, None]


def steps(control: Control, component: Component) -> Steps:
    match control:
        case Enable(name):
            group = component.groups[name]
            if group.latency_cycles is not None:
                for cycle in range(group.latency_cycles):
                    yield {(name, cycle)}
            else:
                while not (yield {(name, 0)})(("done", name)):
                    pass
        case Sequence(children):
            for child in children:
                yield from steps(child, component)
        case Repeat(count, body):
            for _ in range(count):
                yield from steps(body, component)
        case Parallel(children, static):
            yield from _together([_at_least_one(child, component, static) for child in children])
        case While(condition, group, body):
            while (yield Test(group, condition)):
                yield from _at_least_one(body, component, False)
            yield set()
        case If(condition, group, then, otherwise, static):
            chosen = then if (yield Test(group, condition)) else otherwise
            taken = 0
            inner = _at_least_one(chosen, component, static)
            longest = max(_length(then, component), _length(otherwise, component)) if static else 0
            reply = None
            while True:
                try:
                    item = inner.send(reply)
                except StopIteration:
                    break
                taken += not isinstance(item, Test)
                reply = yield item
            for _ in range(longest - taken):
                yield set()
        case Invoke(cell):
            while not (yield {(control, 0)})(PortOf(cell, "done")):
                pass


def _length(control: Control, component: Component) -> int:
    """The length of static control, by running it (no conditions inside)."""
    inner, length, reply = steps(control, component), 0, None
    while True:
        try:
            item = inner.send(reply)
        except StopIteration:
            return length
        length += not isinstance(item, Test)
        reply = False if isinstance(item, Test) else (lambda value: 0)


def _at_least_one(control: Control, component: Component, static: bool) -> Steps:
    if control == Sequence(()) and not static:
        yield set()
    else:
        yield from steps(control, component)


def _together(arms: list[Steps]) -> Steps:
    """All arms at once; ends with the last."""
    replies: list[Any] = [None] * len(arms)
    alive = list(range(len(arms)))
    while alive:
        union: Active = set()
        for index in list(alive):
            while True:
                try:
                    item = arms[index].send(replies[index])
                except StopIteration:
                    alive.remove(index)
                    break
                if not isinstance(item, Test):
                    union |= item
                    break
                replies[index] = yield item
        if alive:
            reply = yield union
            replies = [reply] * len(arms)


class Machine:
    """One component instance. Call `cycle` once a clock cycle; it returns the outputs during that cycle."""

    def __init__(self, program: ComponentProgram, component: Component, entry: bool = True) -> None:
        self.program, self.component, self.entry = program, component, entry
        self.state: dict[str, int] = {}
        self.children = {
            cell.name: Machine(program, program.components[cell.of], False)
            for cell in component.cells.values()
            if cell.kind == "instance"
        }
        self.control: Steps | None = None
        self.item: Any = None  # what control does next
        self.done_now = self.finishing = False
        self.active: Active = set()
        self.tests: set[str] = set()
        self.inputs: Callable[[str], int]

    def cycle(self, inputs: dict[str, int]) -> dict[str, int]:
        self._settle(lambda port: inputs[port])
        outputs = {port.name: self.output(port.name) for port in self.component.ports if not port.is_input}
        self._clock(inputs["reset"])
        return outputs

    def _settle(self, inputs: Callable[[str], int]) -> None:
        self.inputs, self.active, self.tests = inputs, set(), set()
        self.done_now, self.finishing = self.finishing, False
        for name, child in self.children.items():
            child.inputs, child.active, child.tests = (
                (lambda port, name=name: self.driven(PortOf(name, port))),
                set(),
                set(),
            )
            child.done_now = child.finishing
        if self.control is None and not (self.done_now and self.entry) and self.inputs("go"):
            self.control = _at_least_one(self.component.control, self.component, False)
            self.item = next(self.control)
        if self.control is not None:
            while isinstance(self.item, Test):
                self.tests.add(self.item.group)
                self.item = self.control.send(self.value(self.item.condition))
            self.active = self.item
        for child in self.children.values():
            child._settle(child.inputs)

    def _clock(self, reset: int) -> None:
        following = dict(self.state)
        for cell in self.component.cells.values():
            if cell.kind == "register":
                enable = self.driven(PortOf(cell.name, "write_en"))
                if enable:
                    following[f"{cell.name}.out"] = self.driven(PortOf(cell.name, "in"))
                following[f"{cell.name}.done"] = enable
        if self.control is not None:
            answers = {
                ("done", name): self.done(name)
                for name, _ in self.active
                if not isinstance(name, Invoke) and self.component.groups[name].kind == "dynamic"
            }
            answers |= {
                PortOf(name.cell, "done"): self.cell_output(name.cell, "done")
                for name, _ in self.active
                if isinstance(name, Invoke)
            }
            try:
                self.item = self.control.send(answers.__getitem__)
            except StopIteration:
                self.control, self.finishing = None, True
        for child in self.children.values():
            child._clock(reset)
        self.state = following
        if reset:
            self.state, self.control, self.finishing = {}, None, False

    def output(self, port: str) -> int:
        return int(self.done_now) if port == "done" else self.driven(PortOf("", port))

    def value(self, value: Value, group: str = "", cycle: int = 0) -> int:
        match value:
            case Literal(number, _):
                return number
            case Cycles(first, last):
                return int(first <= cycle <= last)
            case GroupGo(name):
                return int(any(each == name for each, _ in self.active) and not self.done(name))
            case PortOf("", port):
                return self.inputs(port)
            case PortOf(cell, port):
                return self.cell_output(cell, port)
            case Logic(operation, operands):
                inner = [self.value(operand, group, cycle) for operand in operands]
                return {"and": min, "or": max, "xor": lambda bits: sum(bits) & 1}[operation](inner)

    def done(self, group: str) -> int:
        return max(
            self.value(source) & (1 if guard is None else self.value(guard))
            for source, guard in self.component.groups[group].done
        )

    def driven(self, target: PortOf) -> int:
        control = target.port == "go" or target.port.endswith("_en")
        found = [
            self.value(a.source)
            for a in self.component.assigns
            if a.target == target and (a.guard is None or self.value(a.guard))
        ]
        for name, cycle in [*self.active, *((test, 0) for test in self.tests if test)]:
            if isinstance(name, Invoke):
                if target == PortOf(name.cell, "go"):
                    found.append(1 - self.cell_output(name.cell, "done"))
                found += [self.value(a.source) for a in name.assigns if a.target == target]
                continue
            group = self.component.groups[name]
            assigns = [a for a in group.assigns if a.target == target]
            if assigns and not (control and group.kind == "dynamic" and self.done(name)):
                found += [
                    self.value(a.source, name, cycle)
                    for a in assigns
                    if a.guard is None or self.value(a.guard, name, cycle)
                ]
        assert len(set(found)) < 2, f"{target} is driven by {found}"
        return found[0] if found else 0

    def cell_output(self, name: str, port: str) -> int:
        cell = self.component.cells[name]
        mask = (1 << next(p.width_bits for p in cell.ports if p.name == port)) - 1

        def given(which: str) -> int:
            return self.driven(PortOf(name, which))

        if cell.kind == "register":
            return self.state.get(f"{name}.{port}", 0)
        if cell.kind == "instance":
            return self.children[name].output(port)
        operations: dict[str, Callable[[], int]] = {
            "std_add": lambda: given("left") + given("right"),
            "std_sub": lambda: given("left") - given("right"),
            "std_lt": lambda: int(given("left") < given("right")),
            "std_neq": lambda: int(given("left") != given("right")),
            "primitive": lambda: given("in"),  # a wire: there is no other here
            "std_slice": lambda: given("in"),
            "constant": lambda: cell.value,
        }
        return operations[cell.kind]() & mask
