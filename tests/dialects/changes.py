"""Changes of programs that break a promise of their level: what tests of `verify` plant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from torch2hw.dialects.loops import Buffer, Kernel, Load, Loop, Operation, Stage, Statement, Store
from torch2hw.dialects.program import Node, Par, Program, Rounds
from torch2hw.dialects.quasi_affine import Variable, constant, variable
from torch2hw.dialects.schedule import Schedule


def kernel_changed(number: int, **fields: Any) -> Callable[[Program], Program]:
    """Fields of a kernel replaced by values, or by what functions make of the kernel."""

    def change(program: Program) -> Program:
        kernels = list(program.kernels)
        kernel = kernels[number]
        kernels[number] = replace(kernel, **{k: v(kernel) if callable(v) else v for k, v in fields.items()})
        return program.with_kernels(kernels)

    return change


def stages_of(change: Callable[[Stage], Stage], stage: int = 0) -> Callable[[Kernel], tuple[Stage, ...]]:
    return lambda kernel: tuple(change(each) if number == stage else each for number, each in enumerate(kernel.stages))


def statements(number: int, change: Callable[[Statement], Statement | None]) -> Callable[[Program], Program]:
    """Every statement of a kernel's first stage replaced, or removed where the change gives None."""

    def changed(stage: Stage) -> Stage:
        kept = [new for old in stage.statements if (new := change(old)) is not None]
        return replace(stage, statements=tuple(kept))

    return kernel_changed(number, stages=stages_of(changed))


def operations(number: int, **fields: Any) -> Callable[[Program], Program]:
    return statements(number, lambda each: replace(each, **fields) if isinstance(each, Operation) else each)


def loads(number: int, change: Callable[[Load], Load]) -> Callable[[Program], Program]:
    return statements(number, lambda each: change(each) if isinstance(each, Load) else each)


def stores(number: int, change: Callable[[Store], Store]) -> Callable[[Program], Program]:
    """Every store of a kernel's last stage."""

    def changed(kernel: Kernel) -> tuple[Stage, ...]:
        *before, last = kernel.stages
        return (*before, replace(last, stores=tuple(map(change, last.stores))))

    return kernel_changed(number, stages=changed)


def added(*new: Statement) -> Callable[[Program], Program]:
    """Statements at the end of the first kernel's first stage."""
    return kernel_changed(0, stages=stages_of(lambda stage: replace(stage, statements=(*stage.statements, *new))))


def carried(**fields: Any) -> Callable[[Program], Program]:
    def changed(stage: Stage) -> Stage:
        return replace(stage, carried=tuple(replace(each, **fields) for each in stage.carried))

    return kernel_changed(0, stages=stages_of(changed))


def buffer_changed(chosen: Callable[[Buffer], bool], **fields: Any) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        old = next(buffer for buffer in program.buffers() if chosen(buffer))
        return program.with_buffers({old: replace(old, **{k: v(old) if callable(v) else v for k, v in fields.items()})})

    return change


def weights(buffer: Buffer) -> bool:
    return buffer.storage.is_read_only and len(buffer.shape) == 2


def scratch(buffer: Buffer) -> bool:
    return buffer.storage.is_scratch


def loops(change: Callable[[Loop], Loop]) -> Callable[[Program], Program]:
    return kernel_changed(0, loops=lambda kernel: tuple(map(change, kernel.loops)))


def planned(**fields: Any) -> Callable[[Program], Program]:
    """Fields of the first kernel's schedule."""
    return kernel_changed(
        0,
        schedule=lambda kernel: replace(
            kernel.plan, **{k: v(kernel.plan) if callable(v) else v for k, v in fields.items()}
        ),
    )


def carried_early(kernel: Kernel) -> Schedule:
    """The first carried value is read in cycle 0."""
    first = kernel.stages[0].carried[0].name
    return replace(kernel.plan, start={**kernel.plan.start, first: 0})


def rounds_of(body: list[Any], period_cycles: int, start_cycle: int = 0) -> list[Node]:
    """The second kernel in rounds of that period, itself starting in that cycle of each; another one soon after."""
    inside = replace(in_rounds(body[1]), start_cycle=start_cycle)
    rounds = Rounds(inside.rounds, (inside,), body[1].start_cycle, period_cycles)
    return [body[0], rounds, replace(body[0], name="again", start_cycle=body[1].start_cycle + 1), *body[2:]]


def nodes(change: Callable[[list[Any]], list[Node]]) -> Callable[[Program], Program]:
    return lambda program: program.with_sequence(change(list(program.sequence)))


def in_rounds(kernel: Kernel) -> Kernel:
    return replace(kernel, loops=(replace(kernel.loops[0], in_rounds=True), *kernel.loops[1:]))


def shifted(access: Any, by: int = 1) -> Any:
    return replace(access, indices=(access.indices[0] + by, *access.indices[1:]))


def last_started(plan: Any) -> str:
    starts: dict[str, int] = plan.start
    return max(starts, key=lambda name: starts[name])


def retyped(statement: Statement) -> Statement:
    """Operands called f64 that are f32."""
    if not isinstance(statement, Operation):
        return statement
    return replace(statement, operand_types=("f64",) * len(statement.operand_types))


def with_flag_constants(program: Program) -> Program:
    """The weights as flags of two bits."""
    old = next(buffer for buffer in program.buffers() if weights(buffer))
    new = replace(old, dtype="i1", data=np.full(old.shape, 2, np.uint8))
    return program.with_buffers({old: new})


def loaded_at_run_time(load: Load) -> Load:
    return replace(load, indices=(variable(Variable("nowhere", 4)), *load.indices[1:]))


def of_same_name(program: Program) -> Program:
    """Two kernels' accesses to what should be one buffer are to two."""
    old = next(buffer for buffer in program.buffers() if scratch(buffer))
    kernels = list(program.kernels)
    kernels[-1] = Program.of("p", (), (), (kernels[-1],)).with_buffers({old: replace(old)}).kernels[0]
    return program.with_kernels(kernels)


def without_a_lane(program: Program) -> Program:
    """The second store of the last kernel is gone."""
    *before, last = program.kernels[-1].stages
    kept = (*before, replace(last, stores=last.stores[:1]))
    return kernel_changed(len(program.kernels) - 1, stages=kept)(program)


def arms_in_one_bank(program: Program) -> Program:
    """No buffer has banks."""
    return program.with_buffers({buffer: replace(buffer, factors=()) for buffer in program.buffers()})


def same_arms(program: Program) -> Program:
    """Both arms of a kernel store what the first of them does."""
    changed: list[Node] = []
    for node in program.sequence:
        if isinstance(node, Par):
            first = node.body[0]
            assert isinstance(first, Kernel)
            twin = replace(first, name=f"{first.name}_again")
            node = replace(node, body=(first, twin, *node.body[2:]))
        changed.append(node)
    return program.with_sequence(changed)


def reading_arms(program: Program) -> Program:
    """An arm loads what another one stores."""
    node = next(each for each in program.sequence if isinstance(each, Par))
    first, second, *others = node.body
    assert isinstance(first, Kernel) and isinstance(second, Kernel)
    store = next(first.stores())
    load = Load("peek", store.buffer.value_type, store.buffer, tuple(constant(0) for _ in store.indices))
    stage = second.stages[0]
    second = replace(second, stages=(replace(stage, statements=(*stage.statements, load)), *second.stages[1:]))
    changed = replace(node, body=(first, second, *others))
    return program.with_sequence([changed if each is node else each for each in program.sequence])


def text_changed(old: str, new: str) -> Callable[[Any], Any]:
    def change(program: Any) -> Any:
        name = "calyx" if hasattr(program, "calyx") else "mlir" if hasattr(program, "mlir") else "content"
        text = getattr(program, name)
        assert old in text
        return replace(program, **{name: text.replace(old, new, 1)})

    return change


def unconnected(program: Any) -> Any:
    """The first assignment of an operand of an adder is gone."""
    lines = program.calyx.split("\n")
    number = next(k for k, line in enumerate(lines) if "calyx.assign %add" in line and ".left =" in line)
    return replace(program, calyx="\n".join(lines[:number] + lines[number + 1 :]))


def retyped_module(program: Any) -> Any:
    """`main` says that it takes no arguments."""
    from torch_mlir import ir

    module = ir.Module.parse(str(program.module), program.module.context)
    function = module.body.operations[0]
    with module.context:
        function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([], []))
    return replace(program, module=module)


def foreign_module(program: Any) -> Any:
    from torch_mlir import ir

    return replace(program, module=ir.Module.parse("func.func @main() { ub.unreachable }", program.module.context))


def without_contents(program: Any) -> Any:
    return replace(program, contents={})
