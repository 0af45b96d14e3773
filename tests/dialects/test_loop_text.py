"""The loop text says all that is in a program: what is read back is equal to what was printed, in every field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.dialects.programs import difference
from tests.passes.compiled import LOOP_PASSES, context, scheduled
from tests.passes.random_programs import random_case
from torch2hw.compiler.options import Options
from torch2hw.dialects.loop_parser import LoopTextError, parse_loop_text
from torch2hw.dialects.loop_text import loop_text
from torch2hw.dialects.loops import Buffer, PortCodes, Source
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.dialects.storage import RAM, SHARED_ROM
from torch2hw.passes.choose_arms import ChooseArms

EVERYTHING = (Path(__file__).parent / "everything.mlir").read_text()
MANY = np.arange(32, dtype=np.uint32)


def parsed(text: str, first_line: int = 1) -> Program:
    return parse_loop_text(text, {"many": MANY}.__getitem__, first_line)


def printed(program: Program) -> str:
    return loop_text(program, lambda data: "many")


def back(program: Program) -> Program:
    """The program, printed and read."""
    arrays: list[NDArray[np.generic]] = []

    def name(data: NDArray[np.generic]) -> str:
        arrays.append(data.reshape(-1))
        return str(len(arrays) - 1)

    return parse_loop_text(loop_text(program, name), lambda key: arrays[int(key)])


def test_everything_comes_back() -> None:
    program = parsed(EVERYTHING)
    assert printed(program) == EVERYTHING
    assert difference(program, back(program)) is None


def parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Every record in a program, once."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, tuple | list):
        for item in value:
            yield from parts(item, seen)
    elif is_dataclass(value):
        yield value
        for field in fields(value):
            yield from parts(getattr(value, field.name), seen)


def other(value: Any, name: str) -> Any:
    """Something else that may stand in the place of a field's value."""
    if name in ("type", "dtype"):
        return "f64" if value == "f32" else "f32"
    if name in ("operand_types",):
        return ("f64", *value[1:])
    if name == "level":
        return "affine"
    if name == "name" and value == "arith.divf":
        return "arith.mulf"
    if value is None:
        return {"source": Source("z.py", 1), "predicate": "olt", "callee": "f", "reduced_by": 1}.get(name)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}_else"
    if isinstance(value, np.ndarray):
        return value + value.dtype.type(1)
    if isinstance(value, dict):
        return {**value, "more": 8} if value else None
    if isinstance(value, tuple | list):
        return (*value, value[-1]) if value else None
    if isinstance(value, Source):
        return None
    if isinstance(value, PortCodes):
        return PortCodes(2 * value.scale, value.zero_point)
    if isinstance(value, Variable):
        return Variable(f"{value.name}_else", value.extent)
    if isinstance(value, Index):
        return Index(value.terms, value.constant + 1)
    if isinstance(value, Buffer):
        return Buffer("another", value.shape, value.dtype, RAM)
    if type(value) is type(RAM):
        return SHARED_ROM if value.has_contents else RAM
    return None


NOT_CHANGED = {("Schedule", "store_cycles"), ("Kernel", "schedule"), ("Function", "body")}
"""Those of which a change alone makes no program. Their own fields, and those of what is in them, are changed."""


def test_no_field_is_dropped() -> None:
    """Planted faults: every field of every record, changed alone, changes the text."""
    missed, changed = set(), set()
    for number in range(len(list(parts(parsed(EVERYTHING), set())))):
        record = list(parts(parsed(EVERYTHING), set()))[number]
        kind = type(record).__name__
        if kind == "Storage":
            continue
        for field in fields(record):
            if (kind, field.name) in NOT_CHANGED | changed:
                continue
            program = parsed(EVERYTHING)
            record = list(parts(program, set()))[number]
            value = other(getattr(record, field.name), field.name)
            if value is None:
                missed.add((kind, field.name))
                continue
            object.__setattr__(record, field.name, value)
            text = loop_text(program, lambda data: f"{data.reshape(-1)[0]}")
            if text == loop_text(parsed(EVERYTHING), lambda data: f"{data.reshape(-1)[0]}"):
                missed.add((kind, field.name))
            else:
                changed.add((kind, field.name))
    assert not missed - changed
    assert {kind for kind, _ in changed} >= {
        *("Program", "Function", "Seq", "Par", "Rounds", "Kernel", "Loop", "Stage", "Carried", "Operation", "Constant"),
        *("IndexValue", "Load", "Store", "Buffer", "Schedule", "Source", "Index", "FloorDiv", "Remainder", "Variable"),
    }


def test_a_dropped_field_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer that forgets a field gives another program, and `difference` names the field."""
    from torch2hw.dialects import loop_text as printer

    monkeypatch.setattr(printer, "location", lambda source: "")
    found = difference(parsed(EVERYTHING), back(parsed(EVERYTHING)))
    assert found is not None
    assert "source" in found


@pytest.mark.parametrize("seed", range(8))
def test_random_programs(seed: int) -> None:
    program, partition = random_case(seed, 2 + seed % 4).program, 1 + seed % 3
    assert difference(program, back(program)) is None
    arms, _ = ChooseArms().run(program, context(partition))  # type: ignore[arg-type]
    assert difference(arms, back(arms)) is None
    changed = program
    for step in LOOP_PASSES:
        changed, _ = step.run(changed, context(partition))  # type: ignore[arg-type]
        assert difference(changed, back(changed)) is None, step.name
    plan = scheduled(program, partition)
    assert difference(plan, back(plan)) is None


LONG = {"lstm", "mha100", "transformer_layer"}
EXAMPLES = sorted(path for path in (Path(__file__).parents[2] / "examples").glob("*.py") if path.stem != "__init__")


@pytest.mark.slow
@pytest.mark.parametrize(
    "example",
    [pytest.param(path, marks=pytest.mark.long if path.stem in LONG else ()) for path in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_examples(example: Path) -> None:
    for schedule in ("static", "sequential"):
        every_loop_program(example, Options(partition=2, schedule=schedule))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 20))])
def test_fuzz_models(seed: int, tmp_path: Path) -> None:
    from torch2hw.sim.fuzz import options_of
    from torch2hw.sim.fuzz_models import source

    (tmp_path / "net.py").write_text(source(seed))
    every_loop_program(tmp_path / "net.py", options_of(seed))


def every_loop_program(model: Path, options: Options) -> None:
    """Each program of the affine and scheduled levels comes back."""
    from torch2hw.compiler.compiled import compile_model
    from torch2hw.frontend.load_model import load

    stop_at = "scheduled" if options.schedule == "static" else "affine"
    for step in compile_model(load(str(model)), options, stop_at=stop_at).steps:
        if isinstance(step.program, Program) and step.changed:
            assert difference(step.program, back(step.program)) is None, step.name


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("program @everything", "module", 1, "`module level scheduled {` is no beginning of a program"),
        ("level scheduled", "level scf", 1, "level scf is not affine or scheduled"),
        ("share f32_mul: 1", "share f32_mul", 3, "`share f32_mul` is no number of shared units"),
        ("@y: f32", "@x: f32", 5, "there are two buffers @x"),
        ("f32 output", "f32 outside", 5, "outside is no storage class: there are input, output, ram, state,"),
        ("5xbf16", "5xf8", 9, "f8 is no number type: there are f32, f16, bf16,"),
        ("0x7f, 0xff]", "0x7f]", 7, "@few has 3 elements of uint8, and its contents 2 of uint8"),
        ("0xff]", "0x1ff]", 7, "0x1ff is no bit pattern of u8, such as 0x00"),
        ('weights "many"', 'weights "few"', 8, 'the weights have no array "few", which @many holds'),
        ("ram", "rom", 9, "@t is of storage rom, which has contents"),
        ("f32 shared_rom banks 2x2", "f32 shared_rom banks 2", 8, "@many has 2 dimensions and 1 bank factors"),
        ("(@x) -> (@y)", "(@x) -> (@z)", 10, "there is no buffer @z above"),
        ("par @n0", "parallel @n0", 12, "`parallel @n0 start 4 {` is no kernel, seq, par or rounds"),
        ("%j: 3)", "%j)", 21, "`%j` is no loop"),
        ("stage 1 {", "stage 2 {", 35, "stage 2 stands where stage 1 does"),
        ("interval 2 depth 7 ", "", 39, "kernel @first has cycles, but no interval and depth"),
        ("@x[%i, (", "@x[%i, %q, (", 27, "%q is no loop of this kernel; a value used as an index has"),
        ("%k * 2 + 5", "%k * 2 + + 5", 27, "`(%k * 2 + + 5) mod 6` is no index expression"),
        ("mod 6]", "mod 0]", 27, "`(%k * 2 + 5) mod 0` is no index expression"),
        ("arith.cmpf ugt %a, %b", "arith.cmpf ugt, %a, %b", 30, "is no statement, carry or store"),
        ("store %sum to @y[]", "store %sum, @y[]", 36, "`store %sum, @y[] {cycle = 11}` is no store"),
        ("    |  return", "    return", 45, "a line of a model begins with `|`"),
        ("    |}\n    |\n  }\n}\n", "    |}\n    |", 47, "the text ends inside a model"),
        ("    |}\n    |\n  }\n}\n", "    |}\n  }\n", 48, "the text ends before the program does"),
        ("    |\n  }\n}\n", "    |\n  }\n}\nmore", 50, "`more` stands after the end of the program"),
    ],
)
def test_other_text_is_refused_at_its_line(old: str, new: str, line: int, what: str) -> None:
    assert EVERYTHING.count(old) == 1 or old == "ram", old
    with pytest.raises(LoopTextError) as caught:
        parsed(EVERYTHING.replace(old, new) if old != "ram" else EVERYTHING.replace("bf16 ram", "bf16 rom"))
    assert what in caught.value.what
    assert caught.value.line == line
