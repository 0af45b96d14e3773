"""Calyx control as hardware: pulses.

Each control node has an input signal `start`, high in its first cycle, and an output signal that is high in the cycle
after its last and starts the next node. The output never depends on `start` in the same cycle, so loops of control are
no combinational loops. Static control needs no handshake: a static `par` ends with its longest arm, and a static `if`
with a timer if its arms differ in length.

Timing: a static group runs for its latency. A dynamic group runs up to and including the cycle in which its done is
high. In that cycle its control ports are already low, as in the native compiler; its successor starts in the next one.
An empty arm of a dynamic `if` takes one cycle, a condition takes none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from torch2hw.dialects.calyx_program import (
    Component,
    Control,
    Cycles,
    Enable,
    Group,
    If,
    Invoke,
    Logic,
    Parallel,
    PortOf,
    Repeat,
    Sequence,
    Value,
    While,
)
from torch2hw.lowering.hardware.calyx_timers import Iterations, Window
from torch2hw.lowering.hardware.hw_text import HwBody


def static_latency(control: Control, groups: Mapping[str, Group]) -> int | None:
    """The cycles that `control` always takes, or None where it is dynamic. Empty control takes none."""
    match control:
        case Enable(group):
            return groups[group].latency_cycles
        case Sequence(children):
            inner = [static_latency(child, groups) for child in children]
            return None if None in inner else sum(each for each in inner if each is not None)
        case Parallel(children, True):
            inner = [static_latency(child, groups) for child in children]
            return None if None in inner else max((each for each in inner if each is not None), default=0)
        case Repeat(count, body):
            once = static_latency(body, groups) if count else 0
            return None if once is None else count * once
        case If(_, _, then, otherwise, True):
            arms = static_latency(then, groups), static_latency(otherwise, groups)
            return None if None in arms else max(arm for arm in arms if arm is not None)
    return None


class Run(Protocol):
    """One enable of a group in the control."""

    @property
    def active(self) -> str:
        """The signal that is high in each cycle of the run."""

    @property
    def following(self) -> str:
        """The signal that is high in the cycle after its last: it starts what comes next."""


class DynamicRun:
    """Runs from `start` until `done`, that cycle included."""

    def __init__(self, body: HwBody, hint: str, start: str, done: Callable[[], str]) -> None:
        self.body, self.hint, self.start, self.done = body, hint, start, done

    @cached_property
    def running(self) -> str:
        """High if the run was active in the cycle before."""
        return self.body.name(f"{self.hint}_running")

    @cached_property
    def active(self) -> str:
        """High from `start` to `done`, both cycles included."""
        active = self.body.call(self.body.any_of(self.start, self.running), f"{self.hint}_active")
        self.body.register(self.running, self.body.all_of(active, self.body.invert(self.done())), 1)
        return active

    @cached_property
    def following(self) -> str:
        """High in the cycle after the run's last."""
        return self.body.flag(f"{self.hint}_end", self.body.all_of(self.active, self.done()))


class InstanceRun:
    """A static group that starts an instance in its first cycle and lasts exactly as long: the instance's done is
    `following`."""

    def __init__(self, body: HwBody, hint: str, start: str, following: str) -> None:
        self.body, self.hint, self.start, self.following = body, hint, start, following

    @cached_property
    def active(self) -> str:
        """High from `start` on, until `following` is."""
        running = self.body.name(f"{self.hint}_running")
        active = self.body.any_of(self.start, self.body.all_of(running, self.body.invert(self.following)))
        self.body.call(active, f"{self.hint}_active")
        self.body.register(running, active, 1)
        return active


class Signals(Protocol):
    """The signals of a component that control needs."""

    def value(self, value: Value) -> str:
        """The signal of a reference or guard."""

    def group_done(self, group: str) -> str:
        """The signal that is high when a dynamic group is done."""

    def invoke_done(self, invoke: Invoke) -> str:
        """The `done` of the invoked cell."""


@dataclass
class ControlLowering:
    """Lowers one component's control; afterwards the wires ask for `active`, `first_cycle` and `during` of groups."""

    body: HwBody
    component: Component
    static_latencies: Mapping[str, int]
    signals: Signals
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    tests: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    invokes: list[tuple[Invoke, DynamicRun]] = field(default_factory=list)

    def component_end(self, start: str) -> str:
        """The signal that is high in the cycle after the component's control. Control without a cycle takes one."""
        return self._at_least_a_cycle(self.component.control, start)

    def lower(self, control: Control, start: str) -> str:
        """The signal that is high in the cycle after `control`."""
        match control:
            case Enable(group):
                return self._enable(self.component.groups[group], start)
            case Sequence(children):
                for child in children:
                    if static_latency(child, self.component.groups) != 0:
                        start = self.lower(child, start)
                return start
            case Parallel(children, _):
                return self._parallel(control, children, start)
            case Repeat(count, body):
                return self._repeat(count, body, start)
            case While(condition, group, body):
                return self._while(condition, group, body, start)
            case If():
                return self._if(control, start)
            case Invoke(cell):
                run = DynamicRun(self.body, f"invoke_{cell}", start, lambda: self.signals.invoke_done(control))
                self.invokes.append((control, run))
                return run.following

    def _enable(self, group: Group, start: str) -> str:
        run: Run
        if group.latency_cycles is None:
            run = DynamicRun(self.body, group.name, start, lambda: self.signals.group_done(group.name))
        elif instance := self._timed_by(group):
            run = InstanceRun(self.body, group.name, start, self.signals.value(instance))
        else:
            run = Window(self.body, group.name, start, group.latency_cycles)
        self.runs[group.name].append(run)
        return run.following

    def _timed_by(self, group: Group) -> PortOf | None:
        """The done port of an instance that `group` starts in its first cycle and that takes exactly as long as the
        group."""
        if any(late_cycles(assign.guard) for assign in group.assigns):
            return None
        for assign in group.assigns:
            cell = self.component.cells.get(assign.target.cell)
            if cell is None or cell.kind != "instance" or self.static_latencies.get(cell.of) != group.latency_cycles:
                continue
            go, done = cell.port("go"), cell.port("done")
            certain = assign.guard in (None, Cycles(0, 0)) and getattr(assign.source, "value", 0) == 1
            if go and done and assign.target.port == go.name and certain:
                return PortOf(cell.name, done.name)
        return None

    def _delayed(self, start: str, cycles: int, hint: str) -> str:
        return start if cycles == 0 else Window(self.body, hint, start, cycles).following

    def _parallel(self, control: Control, children: tuple[Control, ...], start: str) -> str:
        groups = self.component.groups
        total = static_latency(control, groups)
        if total is not None:
            ends = [(static_latency(child, groups), self.lower(child, start)) for child in children]
            return next(end for latency, end in ends if latency == total)
        if not children:
            return self.body.flag("skip", start)
        arms = [self._at_least_a_cycle(child, start) for child in children]
        joined = self.body.name("par_end")
        arrived = []
        for end in arms:
            waiting = self.body.name("arrived")
            here = self.body.any_of(end, waiting)
            self.body.register(waiting, self.body.all_of(here, self.body.invert(joined)), 1)
            arrived.append(here)
        self.body.define(joined, f"comb.and {', '.join(arrived)} : i1")
        return joined

    def _at_least_a_cycle(self, control: Control, start: str) -> str:
        """Control without a cycle made one cycle long, where a loop or a handshake needs it."""
        if static_latency(control, self.component.groups) == 0:
            return self.body.flag("skip", start)
        return self.lower(control, start)

    def _repeat(self, count: int, inner: Control, start: str) -> str:
        while isinstance(inner, Repeat):
            count, inner = count * inner.count, inner.body
        latency = static_latency(inner, self.component.groups)
        if count == 1:
            return self.lower(inner, start)
        if latency == 1:
            return self._steady(count, inner, start)
        again = self.body.name("again")
        loop = Iterations(self.body, "repeat", self.lower(inner, again), count)
        self.body.define(again, f"comb.or {start}, {loop.restart} : i1")
        return loop.following

    def _steady(self, count: int, inner: Control, start: str) -> str:
        """Control of one cycle, repeated `count` times without a pause."""
        window = Window(self.body, _first_group(inner), start, count)
        self.lower(inner, window.active)
        return window.following

    def _while(self, condition: Value, group: str, inner: Control, start: str) -> str:
        test = self.body.name("test")
        self.tests[group].append(test)
        holds = self.signals.value(condition)
        again = self._at_least_a_cycle(inner, self.body.all_of(test, holds))
        self.body.define(test, f"comb.or {start}, {again} : i1")
        return self.body.flag("while_end", self.body.all_of(test, self.body.invert(holds)))

    def _if(self, control: If, start: str) -> str:
        self.tests[control.group].append(start)
        holds = self.signals.value(control.condition)
        groups = self.component.groups
        total = static_latency(control, groups)
        ends = []
        for arm, chosen in ((control.then, holds), (control.otherwise, self.body.invert(holds))):
            begin = self.body.all_of(start, chosen)
            if total is None:
                ends.append(self._at_least_a_cycle(arm, begin))
            else:
                latency = static_latency(arm, groups)
                assert latency is not None
                ends.append(self._delayed(self.lower(arm, begin) if latency else begin, total - latency, "if_rest"))
        return self.body.any_of(*ends)

    # -- what the wires ask
    def active(self, group: str) -> str:
        """The signal that is high while a group runs, wherever control enables it or tests a condition with it."""
        return self.body.any_of(*(run.active for run in self.runs[group]), *self.tests[group])

    def during(self, group: str, cycles: Cycles) -> str:
        """High in these cycles of the static group `group`."""
        found = []
        for run in self.runs[group]:
            if isinstance(run, Window):
                found.append(run.during(cycles.first, cycles.last))
            else:
                assert isinstance(run, InstanceRun) and cycles == Cycles(0, 0)
                found.append(run.start)
        return self.body.any_of(*found)


def late_cycles(guard: Value | None) -> bool:
    """Whether `guard` depends on a cycle other than the first."""
    if isinstance(guard, Logic):
        return any(late_cycles(operand) for operand in guard.operands)
    return isinstance(guard, Cycles) and guard != Cycles(0, 0)


def _first_group(control: Control) -> str:
    match control:
        case Enable(group):
            return group
        case Sequence(children) | Parallel(children, _):
            return next((_first_group(child) for child in children), "steady")
        case If(_, _, then, _, _):
            return _first_group(then)
    return "steady"
