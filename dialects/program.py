"""A program: functions, each a tree of control nodes over kernels. Kernels (`Kernel`) are the leaves; see `loops.py`.

| node     | what its children do                                                                                 |
|----------|------------------------------------------------------------------------------------------------------|
| `Seq`    | run in order                                                                                         |
| `Par`    | run at once: no child touches what another one writes                                                |
| `Rounds` | run in order, `count` times; the first loop of every kernel below counts the rounds (`Loop.in_rounds`) |
| `Kernel` | a kernel: a loop nest that becomes one hardware component                                            |

The order of a tree is the order in which values are computed; a scheduled program may overlap neighbours in time where
no value changes by it. At level `scheduled` every kernel has a `schedule`, every node a `start_cycle` relative to its
parent's (in `Rounds`: to the start of its round), and `Rounds` a `period_cycles`. So a subtree can be moved without a
change of what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch2hw.dialects.loops import Buffer, Kernel
from torch2hw.dialects.substitution import with_buffers


class _Branch:
    """A node with children."""

    body: tuple[Node, ...]

    @property
    def kernels(self) -> Iterator[Kernel]:
        """The kernels below, in the order of the children; those of `Rounds` once."""
        for node in self.body:
            yield from node.kernels


@dataclass(frozen=True)
class Seq(_Branch):
    """Children that run one after the other."""

    body: tuple[Node, ...]
    start_cycle: int = 0


@dataclass(frozen=True)
class Par(_Branch):
    """The arms of one nest of loops, called `name`, that run at the same time."""

    name: str
    body: tuple[Node, ...]
    start_cycle: int = 0


@dataclass(frozen=True)
class Rounds(_Branch):
    """Children that run one after the other, `count` times. `period_cycles`: from the start of a round to that of the
    next."""

    count: int
    body: tuple[Node, ...]
    start_cycle: int = 0
    period_cycles: int = 0

    @property
    def span_cycles(self) -> int:
        """Cycles of all rounds, without the results that are still in the pipelines at the end of the last one."""
        return self.count * self.period_cycles


Node = Seq | Par | Rounds | Kernel


def end_cycle(node: Node) -> int:
    """The cycle after a node's last store, relative to its parent; for `Rounds`, at least the end of the last round."""
    if isinstance(node, Kernel):
        assert node.schedule is not None
        return node.start_cycle + node.schedule.latency_cycles(node.round_trips)
    ends = [end_cycle(child) for child in node.body]
    if isinstance(node, Rounds):
        last = (node.count - 1) * node.period_cycles
        return node.start_cycle + max([node.span_cycles, *(last + end for end in ends)])
    return node.start_cycle + max(ends, default=0)


def replaced(node: Node, change: Callable[[Kernel], Sequence[Node]]) -> list[Node]:
    """The nodes that replace a node when each kernel below it is replaced by what `change` gives, in order. An empty
    `Par` or `Rounds` is dropped."""
    if isinstance(node, Kernel):
        return list(change(node))
    body = tuple(new for child in node.body for new in replaced(child, change))
    if len(body) == len(node.body) and all(a is b for a, b in zip(body, node.body, strict=True)):
        return [node]
    return [replace(node, body=body)] if body or isinstance(node, Seq) else []


@dataclass(frozen=True)
class Function:
    """`inputs` and `outputs` are its ports in order; `body` is what it does; `states` keep their values."""

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    body: Seq
    states: tuple[Buffer, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A kernel with its start: round r starts in cycle `start_cycle` + r · `period_cycles` of the design.
    `period_cycles` is 0 outside `Rounds`."""

    kernel: Kernel
    start_cycle: int
    period_cycles: int

    @property
    def end_cycle(self) -> int:
        """The cycle after its last store."""
        schedule, kernel = self.kernel.schedule, self.kernel
        assert schedule is not None
        return self.start_cycle + (kernel.rounds - 1) * self.period_cycles + schedule.latency_cycles(kernel.round_trips)


@dataclass(frozen=True)
class Program:
    """`functions[0]` is the design. No pass makes more than one function yet; the properties below are those of the
    first. `models`: the software models that operations call (`Operation.callee`), each a function in upstream MLIR.
    `shared`: at level scheduled, how many units of each name the kernels share."""

    name: str
    functions: tuple[Function, ...]
    models: tuple[str, ...] = ()
    level: str = "affine"
    shared: Mapping[str, int] = field(default_factory=dict, compare=False)

    @staticmethod
    def of(
        name: str,
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        nodes: Sequence[Node],
        level: str = "affine",
        states: Sequence[Buffer] = (),
    ) -> Program:
        """A program of one function, whose nodes run in sequence."""
        function = Function(name, tuple(inputs), tuple(outputs), Seq(tuple(nodes)), tuple(states))
        return Program(name, (function,), level=level)

    @property
    def inputs(self) -> tuple[Buffer, ...]:
        """Buffers that the host writes."""
        return self.functions[0].inputs

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        """Buffers that the host reads."""
        return self.functions[0].outputs

    @property
    def states(self) -> tuple[Buffer, ...]:
        """Buffers that keep their values from run to run, and that the host may write and read between runs."""
        return self.functions[0].states

    @property
    def results(self) -> tuple[Buffer, ...]:
        """All that a run leaves behind: outputs, then states."""
        return (*self.outputs, *self.states)

    @property
    def tensors(self) -> tuple[Buffer, ...]:
        """All that the host reaches: inputs, outputs, states."""
        return (*self.inputs, *self.outputs, *self.states)

    @property
    def sequence(self) -> tuple[Node, ...]:
        """The nodes that run one after the other."""
        return self.functions[0].body.body

    @cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        """Every kernel, in execution order."""
        return tuple(self.functions[0].body.kernels)

    @property
    def straight_line(self) -> list[Kernel]:
        """The kernels of a program that has no other nodes; an assertion fails for others."""
        assert all(isinstance(node, Kernel) for node in self.sequence), "no rounds or arms have been made yet"
        return list(self.kernels)

    @property
    def placed(self) -> list[Placed]:
        """Every kernel of a scheduled program with its start, in execution order."""
        return list(_placed(self.functions[0].body, 0, 0))

    @property
    def latency_cycles(self) -> int:
        """Cycles from the start to the cycle after the last store."""
        return end_cycle(self.functions[0].body)

    def buffers(self) -> list[Buffer]:
        """Every buffer once, in order of first appearance, inputs, outputs and states first."""
        seen = dict.fromkeys(self.tensors)
        for kernel in self.kernels:
            seen |= kernel.touched
        return list(seen)

    def with_sequence(self, nodes: Sequence[Node]) -> Program:
        """The program with these nodes as its sequence."""
        design = self.functions[0]
        changed = replace(design, body=replace(design.body, body=tuple(nodes)))
        return replace(self, functions=(changed, *self.functions[1:]))

    def with_ports(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer]) -> Program:
        """The program with other ports."""
        changed = replace(self.functions[0], inputs=tuple(inputs), outputs=tuple(outputs))
        return replace(self, functions=(changed, *self.functions[1:]))

    def map_kernels(self, change: Callable[[Kernel], Sequence[Node]]) -> Program:
        """The program with each kernel replaced by what `change` gives; the `Par` and `Rounds` around stay."""
        return self.with_sequence([new for node in self.sequence for new in replaced(node, change)])

    def replaced_by(self, kernels: Sequence[Kernel]) -> list[str]:
        """The names of those of `kernels`, one for each of the program's in order, that are other objects."""
        return [new.name for new, old in zip(kernels, self.kernels, strict=True) if new is not old]

    def with_kernels(self, kernels: Sequence[Kernel]) -> Program:
        """The program with its kernels replaced one by one, in order."""
        others = iter(kernels)
        assert len(kernels) == len(self.kernels)
        return self.map_kernels(lambda _: [next(others)])

    def with_models(self, models: Iterable[str]) -> Program:
        """The program with more software models, each once."""
        return replace(self, models=tuple(dict.fromkeys((*self.models, *models))))

    def up_to(self, count: int) -> Program:
        """The program with only its first `count` kernels; those in `Rounds` keep all their rounds."""
        numbers = iter(range(len(self.kernels)))
        return self.map_kernels(lambda kernel: [kernel] if next(numbers) < count else [])

    def with_buffers(self, instead: Mapping[Buffer, Buffer]) -> Program:
        """The program with buffers replaced, ports and states included."""
        inputs, outputs, states = (
            tuple(instead.get(buffer, buffer) for buffer in buffers)
            for buffers in (self.inputs, self.outputs, self.states)
        )
        design = replace(self.functions[0], inputs=inputs, outputs=outputs, states=states)
        changed = replace(self, functions=(design, *self.functions[1:]))
        return changed.map_kernels(lambda kernel: [with_buffers(kernel, instead)])

    def text(self, weights: bool = True) -> str:
        """The program as upstream MLIR, executable in exactly this order; without `weights`, constants are named
        instead of printed."""
        from torch2hw.dialects.affine_text import affine_text

        return affine_text(self, weights=weights)


def _placed(node: Node, start: int, period: int) -> Iterator[Placed]:
    start += node.start_cycle
    if isinstance(node, Kernel):
        yield Placed(node, start, period)
        return
    for child in node.body:
        yield from _placed(child, start, node.period_cycles if isinstance(node, Rounds) else period)
