"""Iterative units: one digit a cycle on one adder, instead of a pipeline, where results are rarely needed.

An `Iteration` defines how operands become a state, how a step changes the state, and how a state becomes the result.
From it come the software model (all steps unrolled, with the bits of the pipelined unit if both round correctly) and
the hardware: a pipeline of `before` stages that makes the state, registers that step in every cycle, and a pipeline of
`after` stages that rounds.

Protocol: `start` is high in the cycle of the operands. The result is valid for one cycle, `latency_cycles` = before + 1
+ steps + after cycles later. The next operands may come `interval_cycles` = steps + 1 cycles after the last ones, or
later; an earlier `start` destroys the result in progress. There is no reset: the state before the first start does not
matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from .bits import Bits, Graph, cat
from .emit_comb import Emitter
from .pipeliner import Pipeline
from .unit import Port, Unit

START = "start"
State = Mapping[str, Bits]


class Iteration(Protocol):
    """`steps` times `step`. Fields that `load` does not mention start as anything (0 in the model)."""

    @property
    def steps(self) -> int:
        """How often `step` is applied."""

    def widths(self) -> Mapping[str, int]:
        """The fields of the state."""

    def load(self, operands: tuple[Bits, ...]) -> State:
        """The state before the first step."""

    def step(self, state: State) -> State:
        """Fields that it does not mention stay."""

    def result(self, state: State) -> Bits:
        """The unit's result from the state after the last step."""


def unrolled(iteration: Iteration, operands: tuple[Bits, ...]) -> Bits:
    """The result as one expression of the operands."""
    g = operands[0].graph
    state: State = {name: g.const(0, width) for name, width in iteration.widths().items()}
    state = {**state, **iteration.load(operands)}
    for _ in range(iteration.steps):
        state = {**state, **iteration.step(state)}
    return iteration.result(state)


@dataclass(frozen=True)
class Parts:
    """The three schedules, over one graph in which the fields of the state are inputs. `load` and `step` are the
    concatenations of the named fields, the first one in the highest bits.
    """

    load: Pipeline
    loaded: tuple[str, ...]
    step: Pipeline
    stepped: tuple[str, ...]
    result: Pipeline
    steps: int


def state_inputs(graph: Graph, iteration: Iteration) -> State:
    """A state of fresh graph inputs, named `state_` and the field."""
    return {name: graph.input(f"state_{name}", width) for name, width in iteration.widths().items()}


def joined(fields: State) -> tuple[Bits, tuple[str, ...]]:
    """The fields side by side in one word, the first on top, and their names in that order."""
    return cat(*fields.values()), tuple(fields)


@dataclass(frozen=True)
class IterativeUnit(Unit):
    """`schedule` is the unrolled graph at depth 0, from which the model comes; the hardware is made of `parts`."""

    parts: Parts = field(kw_only=True, repr=False)

    @property
    def controls(self) -> tuple[Port, ...]:
        """`start`, high in the cycle of the operands."""
        return (Port(START, 1),)

    @property
    def latency_cycles(self) -> int:
        """Cycles from the operands to the result."""
        return self.parts.load.depth + 1 + self.parts.steps + self.parts.result.depth

    @property
    def interval_cycles(self) -> int:
        """Cycles from one start to the next."""
        return self.parts.steps + 1

    @cached_property
    def _definition(self) -> str:
        parts = self.parts
        load, step, result = Emitter(parts.load, "a"), Emitter(parts.step, "s"), Emitter(parts.result, "r")
        for emitter in (load, step, result):
            emitter.body()
        lines = []
        started = f"%{START}"
        for stage in range(parts.load.depth):
            lines.append(f"%started_{stage} = seq.compreg {started}, %clk : i1")
            started = f"%started_{stage}"
        new = _fields(parts.loaded, self._widths, load.result(), "new", lines)
        following = _fields(parts.stepped, self._widths, step.result(), "next", lines)
        for name, width in self._widths.items():
            value = following.get(name, f"%state_{name}")
            if name in new:
                lines.append(f"%take_{name} = comb.mux {started}, {new[name]}, {value} : i{width}")
                value = f"%take_{name}"
            lines.append(f"%state_{name} = seq.compreg {value}, %clk : i{width}")
        ports = [f"in %{o.attribute}: i{o.width}" for o in self.operands]
        ports += [f"in %{START}: i1", "in %clk: !seq.clock", f"out out: i{self.output.width_bits}"]
        every = [*load.lines, *step.lines, *lines, *result.lines]
        every.append(f"hw.output {result.result()} : i{self.output.width_bits}")
        constants = [line for emitter in (load, step, result) for line in emitter.constant_lines()]
        body = "".join(f"  {line}\n" for line in [*constants, *every])
        return f"hw.module @{self.name}({', '.join(ports)}) {{\n{body}}}\n"

    @property
    def _widths(self) -> dict[str, int]:
        nodes = self.parts.result.output.graph.inputs
        return {
            str(n.attribute).removeprefix("state_"): n.width for n in nodes if str(n.attribute).startswith("state_")
        }


def _fields(
    names: tuple[str, ...], widths: Mapping[str, int], joined_value: str, prefix: str, lines: list[str]
) -> dict[str, str]:
    """Lines that take a concatenation apart again: name -> value."""
    total = position = sum(widths[name] for name in names)
    values = {}
    for name in names:
        position -= widths[name]
        values[name] = f"%{prefix}_{name}"
        lines.append(f"%{prefix}_{name} = comb.extract {joined_value} from {position} : (i{total}) -> i{widths[name]}")
    return values
