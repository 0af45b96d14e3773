"""`verify`: every kind of fault, planted in what a pass returns, is found at that pass and said in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torch2hw.cli import main
from torch2hw.compiler import Compiled, compile_model
from torch2hw.dialects.loops import Buffer, Constant, Load, Loop, Nest, Operation, Stage, Statement, Store
from torch2hw.dialects.program import Node, Par, Program, Rounds
from torch2hw.dialects.quasi_affine import Variable, constant, variable
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import EXTERNAL, RAM, STREAM_IN
from torch2hw.driver import Context, Driver, Pass
from torch2hw.errors import InternalError
from torch2hw.frontend.load_model import load
from torch2hw.options import Options
from torch2hw.passes.bank_memories import BankMemories
from torch2hw.pipeline import passes_for

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


torch.manual_seed(1)
model = Net()
example_inputs = (torch.randn(4, 6),)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.py"
    path.write_text(MODEL)
    return path


@cache
def compiled(model: Path, options: Options) -> Compiled:
    return compile_model(load(str(model)), options)


# -- what is changed ---------------------------------------------------------------------------------------------------
def nest_changed(number: int, **fields: Any) -> Callable[[Program], Program]:
    """Fields of a kernel replaced by values, or by what functions make of the kernel."""

    def change(program: Program) -> Program:
        nests = list(program.nests)
        nest = nests[number]
        nests[number] = replace(nest, **{k: v(nest) if callable(v) else v for k, v in fields.items()})
        return program.with_nests(nests)

    return change


def stages_of(change: Callable[[Stage], Stage], stage: int = 0) -> Callable[[Nest], tuple[Stage, ...]]:
    return lambda nest: tuple(change(each) if number == stage else each for number, each in enumerate(nest.stages))


def statements(kernel: int, change: Callable[[Statement], Statement | None]) -> Callable[[Program], Program]:
    """Every statement of a kernel's first stage replaced, or removed where the change gives None."""

    def changed(stage: Stage) -> Stage:
        kept = [new for old in stage.statements if (new := change(old)) is not None]
        return replace(stage, statements=tuple(kept))

    return nest_changed(kernel, stages=stages_of(changed))


def operations(kernel: int, **fields: Any) -> Callable[[Program], Program]:
    return statements(kernel, lambda each: replace(each, **fields) if isinstance(each, Operation) else each)


def loads(kernel: int, change: Callable[[Load], Load]) -> Callable[[Program], Program]:
    return statements(kernel, lambda each: change(each) if isinstance(each, Load) else each)


def stores(kernel: int, change: Callable[[Store], Store]) -> Callable[[Program], Program]:
    """Every store of a kernel's last stage."""

    def changed(nest: Nest) -> tuple[Stage, ...]:
        *before, last = nest.stages
        return (*before, replace(last, stores=tuple(map(change, last.stores))))

    return nest_changed(kernel, stages=changed)


def added(*new: Statement) -> Callable[[Program], Program]:
    """Statements at the end of the first kernel's first stage."""
    return nest_changed(0, stages=stages_of(lambda stage: replace(stage, statements=(*stage.statements, *new))))


def carried(**fields: Any) -> Callable[[Program], Program]:
    def changed(stage: Stage) -> Stage:
        return replace(stage, carried=tuple(replace(each, **fields) for each in stage.carried))

    return nest_changed(0, stages=stages_of(changed))


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
    return nest_changed(0, loops=lambda nest: tuple(map(change, nest.loops)))


def planned(**fields: Any) -> Callable[[Program], Program]:
    """Fields of the first kernel's schedule."""
    return nest_changed(
        0,
        schedule=lambda nest: replace(nest.plan, **{k: v(nest.plan) if callable(v) else v for k, v in fields.items()}),
    )


def nodes(change: Callable[[list[Any]], list[Node]]) -> Callable[[Program], Program]:
    return lambda program: program.with_sequence(change(list(program.sequence)))


def in_rounds(nest: Nest) -> Nest:
    return replace(nest, loops=(replace(nest.loops[0], in_rounds=True), *nest.loops[1:]))


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
    nests = list(program.nests)
    nests[-1] = Program.of("p", (), (), (nests[-1],)).with_buffers({old: replace(old)}).nests[0]
    return program.with_nests(nests)


def without_a_lane(program: Program) -> Program:
    """The second store of the last kernel is gone."""
    *before, last = program.nests[-1].stages
    kept = (*before, replace(last, stores=last.stores[:1]))
    return nest_changed(len(program.nests) - 1, stages=kept)(program)


def arms_in_one_bank(program: Program) -> Program:
    """No buffer has banks."""
    return program.with_buffers({buffer: replace(buffer, factors=()) for buffer in program.buffers()})


def same_arms(program: Program) -> Program:
    """Both arms of a kernel store what the first of them does."""
    changed: list[Node] = []
    for node in program.sequence:
        if isinstance(node, Par):
            first = node.body[0]
            assert isinstance(first, Nest)
            twin = replace(first, name=f"{first.name}_again")
            node = replace(node, body=(first, twin, *node.body[2:]))
        changed.append(node)
    return program.with_sequence(changed)


def reading_arms(program: Program) -> Program:
    """An arm loads what another one stores."""
    node = next(each for each in program.sequence if isinstance(each, Par))
    first, second, *others = node.body
    assert isinstance(first, Nest) and isinstance(second, Nest)
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


# -- the faults --------------------------------------------------------------------------------------------------------
ONE, TWO, THREE = (Options(partition=lanes) for lanes in (1, 2, 3))
SEQUENTIAL_TWO = Options(partition=2, schedule="sequential", sequential_control="arms")


@dataclass(frozen=True)
class Fault:
    """What is planted after which pass, what `verify` says, and options under which the program has a place for it."""

    kind: str
    after: str
    plant: Callable[[Any], Any]
    says: str
    options: Options = ONE


FAULTS = (
    # loops and stages
    Fault(
        "loop names", "fuse-epilogues", nest_changed(0, loops=lambda n: (n.loops[0], *n.loops)), "two loops are called"
    ),
    Fault("stage of a loop", "remove-dead-code", loops(lambda loop: replace(loop, reduced_by=7)), "reduced by stage 7"),
    Fault(
        "reduction without loop",
        "fold-initial-values",
        loops(lambda loop: replace(loop, reduced_by=None)),
        "over no loop",
    ),
    Fault("lanes", "choose-lanes", nest_changed(0, lanes=0), "it has 0 lanes"),
    Fault("multiply-accumulates", "choose-lanes", nest_changed(1, macs=-1), "it has -1 multiply-accumulates"),
    # values
    Fault(
        "names of values",
        "fuse-epilogues",
        added(Constant("twin", "f32", 0), Constant("twin", "f32", 0)),
        "twin is defined twice",
    ),
    Fault(
        "use without definition",
        "remove-dead-code",
        statements(1, lambda each: None if isinstance(each, Load) else each),
        "which is not defined before it",
    ),
    Fault("initial value", "fold-initial-values", carried(init="nowhere"), "uses nowhere, which is not defined"),
    Fault("next value", "simplify-arithmetic", carried(next="nowhere"), "uses nowhere, which is not defined"),
    Fault("type of a carried value", "simplify-arithmetic", carried(type="f64"), "as f64, which is f32"),
    Fault("types of operands", "divide-by-constants", statements(0, retyped), "as f64, which is f32"),
    Fault("types of an operation", "check-units", operations(0, type="i32"), "does not take"),
    Fault("a type of values", "check-units", added(Constant("byte", "u8", 1)), "byte has the type u8"),
    Fault(
        "predicate",
        "simplify-arithmetic",
        added(
            Constant("one", "f32", 0),
            Operation("flag", "i1", "arith.cmpf", ("one", "one"), ("f32", "f32"), "about"),
        ),
        "flag compares by about",
    ),
    Fault("iterative unit", "choose-units", operations(0, iterative=True), "has no iterative unit"),
    Fault("bits of a constant", "share-constants", added(Constant("wide", "f16", 1 << 16)), "too many for f16"),
    Fault("type of a load", "fuse-windows", loads(0, lambda each: replace(each, type="i32")), "is i32 and loads from"),
    Fault("value of a store", "name-kernels", stores(0, lambda each: replace(each, value="nowhere")), "uses nowhere"),
    Fault(
        "variable without a loop",
        "interleave-reductions",
        stores(0, lambda each: replace(each, indices=(variable(Variable("q", 4)), *each.indices[1:]))),
        "uses q, which is no loop around it",
    ),
    Fault("run-time index", "fuse-windows", loads(0, loaded_at_run_time), "uses nowhere, which is not defined"),
    Fault(
        "extent of a variable",
        "reroll-loops",
        loops(lambda loop: replace(loop, variable=replace(loop.variable, extent=loop.extent + 1))),
        "its loop to",
    ),
    # accesses
    Fault("store outside", "fuse-outer-loops", stores(0, shifted), "leaves its shape [4, 5]"),
    Fault("load outside", "reroll-loops", loads(1, shifted), "leaves its shape"),
    Fault(
        "guard of a lane",
        "choose-lanes",
        stores(1, lambda each: replace(each, guard=())),
        "leaves its shape [4, 3]",
        THREE,
    ),
    Fault("rank", "bank-memories", loads(0, lambda each: replace(each, indices=each.indices[1:])), "dimensions"),
    # buffers
    Fault("names of buffers", "share-memories", of_same_name, "two buffers are called"),
    Fault(
        "bank factors", "bank-memories", buffer_changed(scratch, factors=(2,)), "1 bank factors for 2 dimensions", TWO
    ),
    Fault("banks", "bank-memories", buffer_changed(scratch, factors=(1, 6)), "has the bank factors [1, 6]", TWO),
    Fault(
        "shape of contents",
        "name-kernels",
        buffer_changed(weights, data=lambda b: b.data.T),
        "has contents of shape",
    ),
    Fault(
        "type of contents",
        "name-kernels",
        buffer_changed(weights, data=lambda b: b.data.astype(np.uint64)),
        "as uint64",
    ),
    Fault("bits of contents", "name-kernels", with_flag_constants, "has more than 1 bits"),
    Fault(
        "store to an input",
        "fuse-epilogues",
        lambda p: stores(0, lambda s: replace(s, buffer=p.inputs[0]))(p),
        "kernels only read it",
    ),
    Fault(
        "storage class", "share-memories", buffer_changed(scratch, storage=EXTERNAL), "external, which nothing builds"
    ),
    Fault("stream", "name-kernels", buffer_changed(scratch, storage=STREAM_IN), "stream_in, which nothing builds"),
    Fault("no port", "name-kernels", lambda p: p.with_ports((), p.outputs), "no port of the design"),
    Fault(
        "storage of a port",
        "name-kernels",
        lambda p: p.with_ports(p.inputs, (replace(p.outputs[0], storage=RAM),)),
        "which the host does not read",
    ),
    Fault(
        "output that is not written", "remove-dead-code", nodes(lambda body: body[:-1]), "nothing writes the output out"
    ),
    # control
    Fault("names of kernels", "name-kernels", nest_changed(1, name="matmul0"), "two kernels are called matmul0"),
    Fault("read before written", "share-memories", nodes(lambda body: body[::-1]), "before anything has written it"),
    Fault(
        "rounds without a node",
        "fuse-outer-loops",
        nest_changed(0, loops=lambda n: in_rounds(n).loops),
        "there are none around it",
    ),
    Fault(
        "loop of rounds",
        "fuse-outer-loops",
        nodes(lambda body: [Rounds(4, (body[0],)), *body[1:]]),
        "none of its loops counts them",
    ),
    Fault(
        "number of rounds",
        "fuse-outer-loops",
        nodes(lambda b: [Rounds(3, (in_rounds(b[0]),)), *b[1:]]),
        "counts 4 rounds of 3",
    ),
    Fault(
        "rounds within rounds",
        "fuse-outer-loops",
        nodes(lambda b: [Rounds(4, (Rounds(4, (in_rounds(b[0]),)),)), *b[1:]]),
        "rounds within rounds",
    ),
    Fault(
        "innermost loop counts rounds",
        "interleave-reductions",
        nest_changed(0, loops=lambda n: (*n.loops[:-1], replace(n.loops[-1], in_rounds=True))),
        "is not the outermost one",
    ),
    Fault("element that is not written", "choose-lanes", without_a_lane, "nothing writes the element [1, 0] of", TWO),
    Fault("arms in one bank", "choose-arms", arms_in_one_bank, "to a bank of", SEQUENTIAL_TWO),
    Fault("arms that store the same", "choose-arms", same_arms, "where another arm", SEQUENTIAL_TWO),
    Fault("arms that read each other", "choose-arms", reading_arms, "what another arm", SEQUENTIAL_TWO),
    Fault("software model", "bind-units", lambda p: replace(p, models=()), "which is not there"),
    Fault(
        "schedule too early",
        "choose-units",
        nest_changed(0, schedule=Schedule(1)),
        "has a schedule at level affine",
    ),
    Fault("level", "bind-units", lambda p: replace(p, level="scheduled"), "it is of level scheduled"),
    # schedules
    Fault("no schedule", "affine-to-scheduled", nest_changed(0, schedule=None), "has no schedule"),
    Fault("no cycle", "affine-to-scheduled", planned(start={}), "has no cycle"),
    Fault("no unit", "affine-to-scheduled", operations(1, name="math.nothing"), "has no unit"),
    Fault(
        "latency",
        "affine-to-scheduled",
        planned(ready=lambda p: {k: v + 1 for k, v in p.ready.items()}),
        "and is ready in cycle",
    ),
    Fault(
        "operands",
        "affine-to-scheduled",
        planned(start=lambda p: {**p.start, last_started(p): 0}),
        "and its operand",
    ),
    Fault("interval", "affine-to-scheduled", planned(interval_cycles=0), "starts every 0 cycles"),
    Fault(
        "carried values",
        "affine-to-scheduled",
        nest_changed(0, loops=lambda n: n.loops[::-1]),
        "iterations before is ready in",
    ),
    Fault("number of stores", "affine-to-scheduled", planned(store_cycles=[]), "and cycles of 0"),
    Fault(
        "store before its value",
        "affine-to-scheduled",
        planned(store_cycles=lambda p: [0] * len(p.store_cycles)),
        "is in cycle 0, and",
    ),
    Fault("depth", "affine-to-scheduled", planned(depth_cycles=lambda p: p.depth_cycles - 1), "and its depth is"),
    Fault(
        "order in time",
        "overlap-kernels",
        nodes(lambda b: [replace(b[0], start_cycle=99999), *b[1:]]),
        "lets it in cycle 99999",
    ),
    Fault(
        "before the start",
        "overlap-kernels",
        nodes(lambda b: [replace(b[0], start_cycle=-1), *b[1:]]),
        "starts in cycle -1",
    ),
    Fault(
        "shared units",
        "affine-to-scheduled",
        lambda p: replace(p, shared={"f32_tanh": 1}),
        "1 of unit f32_tanh are shared",
    ),
    # text and modules
    Fault("verified in memory", "torch-to-linalg", retyped_module, "'func.func' op"),
    Fault("dialect", "torch-to-linalg", foreign_module, "not of the linalg level: ub.unreachable"),
    Fault("scf text", "affine-to-scf", text_changed("memref.load", "memref.lode"), "memref.lode", SEQUENTIAL_TWO),
    Fault("calyx text", "scheduled-to-calyx", text_changed("calyx.assign", "calyx.asign"), "calyx.asign"),
    Fault("cell without operand", "scheduled-to-calyx", unconnected, "is not assigned"),
    Fault("primitive", "scheduled-to-calyx", lambda p: replace(p, definitions={}), "has no definition"),
    Fault("contents", "scheduled-to-calyx", without_contents, "are not there"),
    Fault("hw text", "calyx-to-hw", text_changed("hw.output", "hw.outputs"), "hw.outputs"),
    Fault("contents in hw", "calyx-to-hw", without_contents, "are not there"),
    Fault("sv text", "hw-to-sv", text_changed("endmodule", "endmodul"), "syntax errors"),
    Fault("contents in sv", "hw-to-sv", without_contents, "are not there"),
)


@dataclass(frozen=True)
class Planted:
    """A pass whose result is changed."""

    step: Pass
    plant: Callable[[Any], Any]

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def source(self) -> str:
        return self.step.source

    @property
    def target(self) -> str:
        return self.step.target

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        after, report = self.step.run(program, context)
        return self.plant(after), report


def compiled_with(fault: Fault, model: Path) -> None:
    """The first pass of its name with the fault planted, on the program that it gets, and all passes after it."""
    whole = compiled(model, fault.options)
    passes = list(passes_for(fault.options))
    number = next(k for k, step in enumerate(passes) if step.name == fault.after)
    before: Any = whole.steps[number - 1].program if number else whole.imported
    passes[number] = Planted(passes[number], fault.plant)
    context = Context(fault.options, whole.library, whole.top)
    Driver(passes[number:]).run(before, passes[number].source, context, whole.loaded.sources)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.kind for fault in FAULTS])
def test_a_planted_fault_is_found_at_the_pass_that_made_it(fault: Fault, model: Path) -> None:
    with pytest.raises(InternalError) as caught:
        compiled_with(fault, model)
    error = caught.value
    assert error.reproducer is not None
    Path(error.reproducer).unlink()
    assert error.pass_name == fault.after, error.what
    assert error.what.startswith("InvalidProgram: ") and fault.says in error.what, error.what


def test_the_fault_ends_the_command(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = BankMemories.run

    def run(self: BankMemories, program: Program, context: Any) -> tuple[Program, dict[str, Any]]:
        after, report = right(self, program, context)
        return stores(0, shifted)(after), report

    monkeypatch.setattr(BankMemories, "run", run)
    out = model.with_suffix(".sv")
    assert main([str(model), "-o", str(out)]) == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error[internal]: InvalidProgram: ") and "leaves its shape [4, 5]" in lines[0]
    assert lines[1] == "  operation: pass bank-memories"
    Path(lines[-1].split()[-1]).unlink()
    assert not out.exists()
