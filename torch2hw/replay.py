"""Go on from a file that `--dump` or a fault wrote: the passes that follow, with the options in its header.

The design is the same, byte for byte, as if the passes had not been interrupted.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from torch2hw.compiler.array_file import Array, ArrayFile
from torch2hw.compiler.compiled import library_of
from torch2hw.compiler.driver import Context, Driver, LevelProgram, Pass, Step
from torch2hw.compiler.options import Options
from torch2hw.compiler.pipeline import passes_for
from torch2hw.compiler.program_reader import REWRITE, ProgramReader, line_of
from torch2hw.compiler.stored_programs import manifest_of
from torch2hw.compiler.stored_text import NotReplayable, Stored, read_stored
from torch2hw.compiler.version import __version__
from torch2hw.dialects.levels import LEVELS
from torch2hw.frontend.locations import Sources
from torch2hw.tools.errors import InternalError, UsageError, reason

if TYPE_CHECKING:
    from torch2hw.sim.pass_checker import Checked

CHECKED_LEVELS = ("linalg", "affine", "scheduled", "scf")
"""Those whose programs run on the CPU, without the model."""


@dataclass(frozen=True)
class Replayed:
    """A program that was read, `start` at `level`, and the passes that were run on it.

    `facts` are what the file's header says for the manifest; from calyx on there are some. `checked` says what `check`
    found about each pass; it is empty where that was not asked for.
    """

    options: Options
    top: str
    level: str
    start: Any
    steps: tuple[Step, ...]
    seconds: float
    facts: dict[str, Any]
    checked: tuple[Checked, ...] = ()

    def at(self, level: str) -> Any:
        """The last program at a level that was reached, or was read."""
        found = [step.program for step in self.steps if step.level == level]
        return found[-1] if found or level != self.level else self.start

    @property
    def result(self) -> LevelProgram:
        """What the last pass left."""
        result: LevelProgram = self.steps[-1].program if self.steps else self.start
        return result

    def manifest(self, files: list[str], memory_files: list[str]) -> dict[str, Any]:
        """The manifest (contract section 4) of the design written as these files."""
        reached = [step.program for step in self.steps if step.level == "calyx"]
        facts = manifest_of(reached[-1]) if reached else self.facts
        own = {"generator": f"torch2hw {__version__}", "files": files, "memory_files": memory_files}
        return {**facts, **own}


@dataclass(frozen=True)
class Opened:
    """A file whose header is understood; pass `passes[number]` comes next. `line_of` has the lines of its fields."""

    path: Path
    stored: Stored
    level: str
    number: int
    options: Options
    passes: tuple[Pass, ...]

    @property
    def remaining(self) -> tuple[Pass, ...]:
        """The passes that follow."""
        return self.passes[self.number :]

    def value(self, name: str) -> str:
        """A field of the header; empty where there is none."""
        return self.stored.fields.get(name, ("", 0))[0]


def open_file(path: Path, float_lib: str | None = None) -> Opened:
    """Read a file's header. `float_lib` is the user's copy of HardFloat, whose place the file does not say."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise NotReplayable("the file is not text", location=(str(path), 0), fix="name a file of --dump") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {reason(error)}", fix="name a file of --dump") from None
    stored = read_stored(text, str(path))
    level, line = _field(path, stored, "level")
    if level not in LEVELS:
        _refuse(path, line, f"{level} is no level: there are {', '.join(LEVELS)}")
    options = _options(path, stored, float_lib)
    passes = passes_for(options)
    number, name, line = _pass(path, stored, "pass")
    expected = "start" if number == 0 else passes[number - 1].name if number <= len(passes) else ""
    if name != expected:
        _refuse(
            path, line, f"{name} is not pass {number} of the {options.schedule} schedule", "torch2hw passes lists them"
        )
    if number < len(passes):
        following, name, line = _pass(path, stored, "next")
        if (following, name) != (number + 1, passes[number].name):
            _refuse(path, line, f"pass {number + 1}, {passes[number].name}, comes next, not {following} {name}")
    left = passes[number - 1].target if number else "torch"
    if level != left:
        _refuse(path, stored.fields["level"][1], f"pass {number} leaves level {left}, not {level}")
    return Opened(path, stored, level, number, options, passes)


def replay(
    opened: Opened,
    *,
    dump: Path | None = None,
    stop_at: str | None = None,
    stop_after: str | None = None,
    watch: Callable[[str], None] = lambda name: None,
    check: bool = False,
) -> Replayed:
    """Run the passes that follow; `dump`, `stop_at`, `stop_after` and `watch` are the driver's.

    `check` runs the program after every pass on the CPU (sim/replay_checker.py), and raises CheckError where one
    changed a value. It needs a program of linalg, affine, scheduled or scf.
    """
    started = time.monotonic()
    path, stored, options, level = opened.path, opened.stored, opened.options, opened.level
    library = library_of(options)
    program = ProgramReader(str(path), stored, _arrays(path, stored), library).read(level)
    top = _field(path, stored, "top")[0]
    facts = _json(path, stored, "manifest") if opened.value("manifest") else {}
    if LEVELS.index(level) >= LEVELS.index("calyx") and not facts:
        _refuse(path, 0, "the header has no field manifest")
    checker = None
    if check:
        from torch2hw.sim.replay_checker import ReplayChecker

        checker = ReplayChecker(program, level, options.subnormals)
    driver = Driver(
        opened.passes,
        dump,
        stop_at,
        stop_after,
        watch,
        None if checker is None else checker.check,
        first=opened.number,
        manifest=facts,
    )
    with _blaming_edits(stored, path):
        steps = driver.run(program, level, Context(options, library, top), Sources(Path(), Path()))
    checked = () if checker is None else tuple(checker.checked)
    return Replayed(options, top, level, program, tuple(steps), time.monotonic() - started, facts, checked)


@contextlib.contextmanager
def _blaming_edits(stored: Stored, path: Path) -> Iterator[None]:
    """A pass that fails on a program is no fault of ours where somebody has changed its text."""
    try:
        yield
    except InternalError as fault:
        if not stored.edited:
            raise
        for file in (Path(fault.reproducer), Path(fault.reproducer).with_suffix(".npz")) if fault.reproducer else ():
            file.unlink(missing_ok=True)
        what = fault.what.partition(": ")[2] if fault.what.startswith("AssertionError: ") else fault.what
        section = stored.named("program")
        line = line_of(what, section) if section is not None else 0
        raise NotReplayable(
            f"pass {fault.pass_name} fails on this program: {what}",
            location=(str(path), line),
            why="the text was changed after torch2hw had written it",
            fix=REWRITE,
        ) from None


def _refuse(path: Path, line: int, what: str, fix: str = "write the file again with --dump") -> NoReturn:
    raise NotReplayable(what, location=(str(path), line), fix=fix)


def _field(path: Path, stored: Stored, name: str) -> tuple[str, int]:
    if name not in stored.fields:
        _refuse(path, 1, f"the header has no field {name}")
    return stored.fields[name]


def _pass(path: Path, stored: Stored, name: str) -> tuple[int, str, int]:
    """A pass's number and name, and the line."""
    value, line = _field(path, stored, name)
    found = re.fullmatch(r"(\d+) ([\w-]+)", value)
    if found is None:
        _refuse(path, line, f"`{value}` is no number and name of a pass")
    return int(found[1]), found[2], line


def _json(path: Path, stored: Stored, name: str) -> dict[str, Any]:
    value, line = _field(path, stored, name)
    try:
        read = json.loads(value)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        _refuse(path, line, f"the field {name} is no JSON object")
    return read


def _options(path: Path, stored: Stored, float_lib: str | None) -> Options:
    given, line = _json(path, stored, "options"), stored.fields["options"][1]
    if "float_lib" in given and float_lib is None:
        _refuse(path, line, f"the program uses {given['float_lib']}", "name your copy with --float-lib hardfloat:DIR")
    if "float_lib" not in given and float_lib is not None:
        raise UsageError(f"--float-lib: {path} was written without it", fix="leave it out")
    try:
        options = Options(**{name: value for name, value in given.items() if name != "float_lib"})
    except TypeError as wrong:
        _refuse(path, line, f"not the options of this version: {wrong}")
    except UsageError as wrong:
        _refuse(path, line, wrong.what, wrong.fix or "correct the options")
    return options if float_lib is None else replace(options, float_lib=float_lib)


def _arrays(path: Path, stored: Stored) -> Mapping[str, Array]:
    name, line = stored.fields.get("weights", ("", 0))
    if not name:
        return {}
    if Path(name).name != name:
        _refuse(path, line, f"{name} is no name of a file beside this one")
    try:
        return ArrayFile(path.parent / name)
    except OSError as error:
        said = f"{path.parent / name}: cannot read the weights: {reason(error)}"
        _refuse(path, line, said, f"put {name} beside {path.name}")
    except zipfile.BadZipFile:
        _refuse(path, line, f"{path.parent / name}: no file of weights", f"put the {name} of {path.name} beside it")
