"""The drivers of ports: the assignments of a component become one value for each input port.

Control ports (`go`, `write_en`, `content_en`, `read_en`, `*_en`, and the input of `forward_1`) are 0 unless an active
assignment drives them. Every other port carries data and may have any value then: a single source is connected
without a gate, and only different sources need a multiplexer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from torch2hw.dialects.calyx_primitives import is_forward
from torch2hw.dialects.calyx_program import (
    Assign,
    Cell,
    Component,
    Cycles,
    GroupGo,
    Invoke,
    Literal,
    Logic,
    Port,
    PortOf,
    Value,
)
from torch2hw.lowering.hardware.calyx_control import ControlLowering, DynamicRun
from torch2hw.lowering.hardware.hw_text import HwBody

_CONTROL_NAMES = ("go", "done")
_MAX_MUX_CHAIN = 3


class _Driver(NamedTuple):
    """An assignment with its group or invoke; continuous assignments have neither."""

    assign: Assign
    group: str = ""
    run: DynamicRun | None = None


class Wires:
    """`output(cell, port)` gives the signal of a cell's output."""

    def __init__(
        self,
        body: HwBody,
        component: Component,
        output: Callable[[str, str], str],
        ports_of: Callable[[Cell], Sequence[Port]],
    ) -> None:
        self.body, self.component, self.output = body, component, output
        self.control: ControlLowering
        self.drivers: dict[PortOf, list[_Driver]] = defaultdict(list)
        self.known: dict[PortOf, str] = {}
        self.answers: set[PortOf] = set()  # an instance's inputs that say that a cell bound to it is done
        self.widths = {PortOf("", port.name): port.width_bits for port in component.ports}
        self.inputs = {PortOf("", port.name) for port in component.ports if not port.is_input}
        for cell in component.cells.values():
            for port in ports_of(cell):
                self.widths[PortOf(cell.name, port.name)] = port.width_bits
                if port.is_input:
                    self.inputs.add(PortOf(cell.name, port.name))
        for assign in component.assigns:
            self.drivers[assign.target].append(_Driver(assign))
        for group in component.groups.values():
            for assign in group.assigns:
                self.drivers[assign.target].append(_Driver(assign, group.name))

    def connect(self, control: ControlLowering) -> None:
        """Takes the lowered control. Invokes drive the ports of their instances while they run."""
        self.control = control
        for invoke, run in control.invokes:
            cell = self.component.cells[invoke.cell]
            go = cell.port("go")
            assert go is not None, f"{invoke.cell} is invoked and has no go port"
            starts = Assign(PortOf(cell.name, go.name), Literal(1, 1), None)
            for assign in (starts, *invoke.assigns, *self._bindings(invoke)):
                self.drivers[assign.target].append(_Driver(assign, run=run))
            self.answers |= {there for there, _, port in self._bound(invoke) if port.role == "done"}

    def _bindings(self, invoke: Invoke) -> list[Assign]:
        """The ports of the ref cells that `invoke` binds, as assignments between the instance and the cells of this
        component."""
        return [
            Assign(here, there, None) if port.is_input else Assign(there, here, None)
            for there, here, port in self._bound(invoke)
        ]

    def _bound(self, invoke: Invoke) -> Iterator[tuple[PortOf, PortOf, Port]]:
        """Pairs of ports: one of the instance that stands for a bound cell's port, and that port."""
        for name, original in invoke.references:
            for port in self.component.cells[original].ports:
                there = PortOf(invoke.cell, f"{name}_{port.name}")
                if there in self.widths:
                    yield there, PortOf(original, port.name), port

    # -- values
    def value(self, value: Value, group: str = "") -> str:
        """The signal of `value`; the cycles in it are those of the static group `group`."""
        match value:
            case PortOf():
                if value in self.inputs:
                    return self.driven(value)
                return self.output(value.cell, value.port) if value.cell else f"%{value.port}"
            case Literal(number, width):
                return self.body.constant(number, width)
            case Cycles():
                return self.control.during(group, value)
            case GroupGo(name):
                return self.body.all_of(self.control.active(name), self.body.invert(self.group_done(name)))
            case Logic():
                return self._logic(value, group)

    def _logic(self, value: Logic, group: str) -> str:
        operands = [self.value(operand, group) for operand in value.operands]
        first, width = value.operands[0], value.width_bits
        if width == 1 and value.operation in ("and", "or"):
            return (self.body.all_of if value.operation == "and" else self.body.any_of)(*operands)
        if width == 1 and value.operation == "xor" and operands[-1] == self.body.one and len(operands) == 2:
            return self.body.invert(operands[0])
        text = f"comb.{value.operation} {', '.join(operands)}"
        match value.operation:
            case "icmp":
                text = f"comb.icmp {value.predicate} {operands[0]}, {operands[1]} : i{self._width(first)}"
            case "extract":
                text = f"comb.extract {operands[0]} from {value.low_bit} : (i{self._width(first)}) -> i{width}"
            case "replicate":
                text += f" : (i{self._width(first)}) -> i{width}"
            case "concat":
                text += " : " + ", ".join(f"i{self._width(operand)}" for operand in value.operands)
            case "parity":
                text += f" : i{self._width(first)}"
            case _:
                text += f" : i{width}"
        return self.body.shared(value.operation, text)

    def _width(self, value: Value) -> int:
        if isinstance(value, PortOf):
            return self.widths[value]
        return value.width_bits if isinstance(value, (Literal, Logic)) else 1

    def group_done(self, group: str) -> str:
        """The signal of a dynamic group's done, its guard included."""
        return self.body.any_of(*(self._guarded(source, guard) for source, guard in self.component.groups[group].done))

    def invoke_done(self, invoke: Invoke) -> str:
        """The `done` output of the invoked cell."""
        done = self.component.cells[invoke.cell].port("done")
        assert done is not None, f"{invoke.cell} is invoked and has no done port"
        return self.output(invoke.cell, done.name)

    def _guarded(self, source: Value, guard: Value | None) -> str:
        signal = self.value(source)
        return signal if guard is None else self.body.all_of(signal, self.value(guard))

    def drives(self, target: PortOf) -> bool:
        """Whether anything drives `target`. A control port that is only driven to 0 counts as not driven."""
        idle = [driver.assign.source == Literal(0, 1) and _is_handshake(target) for driver in self.drivers[target]]
        return not all(idle)

    # -- drivers
    def is_flag(self, target: PortOf) -> bool:
        """Whether `target` is a one-bit wire: 0 while nothing drives it, but not part of a handshake, whose done may
        depend on it."""
        cell = self.component.cells.get(target.cell)
        return cell is not None and is_forward(cell.of) and self.widths[target] == 1

    def driven(self, target: PortOf) -> str:
        """The signal at an input port of a cell or an output port of the component; 0 where nothing drives it."""
        if target not in self.known:
            self.known[target] = self._resolve(target)
        return self.known[target]

    def _resolve(self, target: PortOf) -> str:
        drivers, width = self.drivers[target], self.widths[target]
        if not drivers:
            return self.body.constant(0, width)
        if target in self.answers:  # before, a cell is done with what others asked of it
            answers = [(self.value(each.assign.source), each.run.running) for each in drivers if each.run is not None]
            return self.body.any_of(*(self.body.all_of(done, running) for done, running in answers))
        sources: dict[str, list[_Driver]] = defaultdict(list)
        for driver in drivers:
            sources[self.value(driver.assign.source, driver.group)].append(driver)
        handshake = _is_handshake(target)
        if handshake or self.is_flag(target):
            terms = []
            for source, those in sources.items():
                active = self.body.any_of(*(self._active(driver, handshake) for driver in those))
                terms.append(self.body.choose(active, source, self.body.constant(0, width), width))
            if width == 1:
                return self.body.any_of(*terms)
            return terms[0] if len(terms) == 1 else self.body.shared("or", f"comb.or {', '.join(terms)} : i{width}")
        if len(sources) == 1:
            return next(iter(sources))
        together = len({(driver.group, id(driver.run)) for driver in drivers}) == 1
        choices = []
        for source, those in sources.items():
            conditions = [self._guard(driver) if together else self._active(driver) for driver in those]
            choices.append((self.body.any_of(*conditions), source))
        return self._select(choices, width)

    def _guard(self, driver: _Driver) -> str:
        guard = driver.assign.guard
        return self.body.one if guard is None else self.value(guard, driver.group)

    def _active(self, driver: _Driver, handshake: bool = False) -> str:
        """The condition under which `driver` drives. With `handshake`, a dynamic group or an invoke stops driving in
        the cycle of its done."""
        guard = self._guard(driver)
        if driver.run is not None:
            done = driver.run.done() if handshake else self.body.zero
            return self.body.all_of(driver.run.active, self.body.invert(done), guard)
        if not driver.group or _within_window(driver.assign.guard):
            return guard
        group = self.component.groups[driver.group]
        if handshake and group.kind == "dynamic":
            return self.body.all_of(
                self.control.active(group.name), self.body.invert(self.group_done(group.name)), guard
            )
        return self.body.all_of(self.control.active(group.name), guard)

    def _select(self, choices: list[tuple[str, str]], width: int) -> str:
        """The source whose condition holds; the conditions exclude each other."""
        if len(choices) <= _MAX_MUX_CHAIN:
            chosen = choices[-1][1]
            for condition, source in reversed(choices[:-1]):
                chosen = self.body.choose(condition, source, chosen, width)
            return chosen
        zero = self.body.constant(0, width)
        gated = [self.body.choose(condition, source, zero, width) for condition, source in choices]
        distinct = [term for term in dict.fromkeys(gated) if term != zero]
        return (
            distinct[0] if len(distinct) == 1 else self.body.shared("or", f"comb.or {', '.join(distinct)} : i{width}")
        )


def _is_handshake(target: PortOf) -> bool:
    return target.port in _CONTROL_NAMES or target.port.endswith("_en")


def _within_window(guard: Value | None) -> bool:
    """Whether `guard` can only hold while its static group runs."""
    if isinstance(guard, Logic) and guard.operation == "and":
        return any(_within_window(operand) for operand in guard.operands)
    if isinstance(guard, Logic) and guard.operation == "or":
        return all(_within_window(operand) for operand in guard.operands)
    return isinstance(guard, Cycles)
