"""The control tree: names of kernels, rounds, arms that run at once, writes before reads, software models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch2hw.dialects.loops import Buffer, Kernel, Operation
from torch2hw.dialects.once import once
from torch2hw.dialects.program import Node, Par, Program, Rounds, Seq
from torch2hw.dialects.verify.arms import arm_faults

_MODEL = re.compile(r"func\.func (?:private )?@([\w.$-]+)\(")


def control_faults(program: Program) -> Iterator[str]:
    """What is wrong with the control of a program, a sentence each."""
    names: set[str] = set()
    for kernel in program.kernels:
        if kernel.name in names:
            yield f"two kernels are called {kernel.name}"
        names.add(kernel.name)
    yield from rounds_faults(program.functions[0].body, None)
    yield from order_faults(program.functions[0].body, set())
    yield from model_faults(program)


def rounds_faults(node: Node, around: Rounds | None) -> Iterator[str]:
    """`Rounds` of at least one round, not within each other; below them, and only there, a kernel's first loop counts
    the rounds. Arms do not touch each other's data."""
    if isinstance(node, Kernel):
        if around is None and node.is_in_rounds:
            yield f"{node.name}: its loop {node.loops[0].variable} counts rounds, and there are none around it"
        if around is not None and not node.is_in_rounds:
            yield f"{node.name} is in rounds, and none of its loops counts them"
        if around is not None and node.is_in_rounds and node.rounds != around.count:
            yield f"{node.name}: its loop {node.loops[0].variable} counts {node.rounds} rounds of {around.count}"
        return
    if isinstance(node, Rounds):
        if node.count < 1:
            yield f"there are {node.count} rounds"
        if around is not None:
            yield "there are rounds within rounds"
        around = node
    if isinstance(node, Par):
        yield from arm_faults(node)
    if not node.body and not isinstance(node, Seq):
        yield "there is nothing in a node of the control tree"
    for child in node.body:
        yield from rounds_faults(child, around)


def order_faults(node: Node, written: set[Buffer]) -> Iterator[str]:
    """Buffers that are read before anything has written them, in the order of execution or in an earlier round; those
    that `node` writes are added to `written`."""
    if isinstance(node, Kernel):
        for buffer in _needs_writer(node):
            if buffer not in written:
                yield f"{node.name} reads {buffer.name} before anything has written it"
        written |= {store.buffer for store in node.stores()}
        return
    if isinstance(node, Rounds):
        written |= {store.buffer for kernel in node.kernels for store in kernel.stores()}
    arms = [set(written) if isinstance(node, Par) else written for _ in node.body]
    for child, before in zip(node.body, arms, strict=True):
        yield from order_faults(child, before)
    written.update(*arms)


@once
def _needs_writer(kernel: Kernel) -> Sequence[Buffer]:
    """The buffers that a kernel reads and that hold nothing until a kernel has written them."""
    read = dict.fromkeys(load.buffer for load in kernel.loads())
    return [each for each in read if not each.storage.has_contents and not each.storage.host_writes]


def model_faults(program: Program) -> Iterator[str]:
    """Operations that call a software model which is not there, and models of one name."""
    models = [name for text in program.models for name in _MODEL.findall(text)[:1]]
    for name in sorted({each for each in models if models.count(each) > 1}):
        yield f"two software models are called {name}"
    for kernel in program.kernels:
        for callee, result in _callees(kernel).items():
            if callee not in models:
                yield f"{kernel.name}: {result} calls the software model {callee}, which is not there"


@once
def _callees(kernel: Kernel) -> dict[str, str]:
    """The software models that a kernel calls, each with a value that it is called for."""
    called = [s for s in kernel.statements() if isinstance(s, Operation) and s.callee is not None]
    return {operation.callee: operation.result for operation in called if operation.callee is not None}
