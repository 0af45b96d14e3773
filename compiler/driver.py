"""Runs the passes in order, and verifies what each of them leaves.

After every pass that changed the program, the driver dumps the program, verifies it as a program of its new level
(`dialects/verify`), and notes the time. Dumps and checks do not print weights: the text refers to them by name.
A refusal gets the file name that the user wrote. Any other exception is a fault of torch2hw: it becomes an
`InternalError` that names the pass, and a file with the program that the pass was given. `torch2hw replay` goes on from
that file, and from every dump.

A check that takes long runs in a process beside the passes that follow; the program is done when all checks are.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch2hw.compiler.options import Options
from torch2hw.dialects.levels import LEVELS
from torch2hw.dialects.verify import verify
from torch2hw.frontend.locations import Sources
from torch2hw.hwlib import Library
from torch2hw.tools.errors import InternalError, Torch2HWError
from torch2hw.tools.isolate import Child


class LevelProgram(Protocol):
    """A program at some level. It is never changed in place: a pass that changes nothing gives back the same object."""

    def text(self, weights: bool = True) -> str:
        """MLIR, or SystemVerilog at the last level; complete, or with references to weights by name instead of them."""


class Pass(Protocol):
    """A step of the compiler: a frozen dataclass. The docstring of its module is its contract."""

    @property
    def name(self) -> str:
        """In kebab-case; the same in the command line, dumps, errors and tests."""

    @property
    def source(self) -> str:
        """The level of the program that it takes."""

    @property
    def target(self) -> str:
        """The level of the program that it leaves."""

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        """The new program, and what changed in hardware terms (nothing: an empty report).

        A report that has `rounding` declares that values are rounded in other places, and says where; without it they
        are the same, bit for bit (sim/pass_checker.py).
        """


@runtime_checkable
class Check(Pass, Protocol):
    """A pass that leaves the program as it is. Where that takes long, it runs beside those that follow."""

    def is_long(self, program: Any) -> bool:
        """Whether the check of this program is worth a process of its own."""


@dataclass(frozen=True)
class Context:
    """What every pass may ask for: the options, the hardware library for these options, the name of the top module."""

    options: Options
    library: Library
    top: str


@dataclass(frozen=True)
class Step:
    """One pass that was run."""

    name: str
    level: str
    program: LevelProgram
    report: dict[str, Any]
    changed: bool
    seconds: float
    verify_seconds: float


@dataclass(frozen=True)
class Driver:
    """How to run the passes.

    `first`: how many passes have run already, on the program that `run` is given.
    `manifest`: what the calyx level has said of that program, for the headers of its files.
    `dump`: a folder that gets `NN-pass-name.mlir` for each pass that changed the program (`dumps`).
    `stop_at`: the level to stop at, when the last pass that leaves it has run; `stop_after`: the pass to stop after.
    `watch`: called with the name of each pass before it runs.
    `check`: called after each pass that changed the program, with its name, the level it left, the program, the report.
    """

    passes: Sequence[Pass]
    dump: Path | None = None
    stop_at: str | None = None
    stop_after: str | None = None
    watch: Callable[[str], None] = field(default=lambda name: None)
    check: Callable[[str, str, Any, dict[str, Any]], None] | None = None
    first: int = 0
    manifest: dict[str, Any] = field(default_factory=dict)

    def run(self, program: LevelProgram, level: str, context: Context, sources: Sources) -> list[Step]:
        """Every pass in order from `level` on. The last step holds the result."""
        from torch2hw.compiler.dumps import Dumps

        steps: list[Step] = []
        dumps = Dumps(self.dump, self.passes, context, self.manifest)
        with _Beside(steps) as beside:
            for number, step_pass in enumerate(self.passes[self.first :], self.first + 1):
                if self._is_past(step_pass):
                    break
                assert step_pass.source == level, f"{step_pass.name} takes {step_pass.source}, not {level}"
                self.watch(step_pass.name)
                answering = partial(answering_for, step_pass.name, partial(dumps.reproducer, number, program), sources)
                if isinstance(step_pass, Check) and step_pass.is_long(program):
                    beside.start(partial(step_pass.run, program, context), answering)
                    steps.append(Step(step_pass.name, level, program, {}, False, 0.0, 0.0))
                else:
                    with answering():
                        steps.append(self._step(step_pass, program, context, partial(dumps.accept, number)))
                program, level = steps[-1].program, steps[-1].level
                if step_pass.name == self.stop_after:
                    break
        return steps

    def _step(
        self, step_pass: Pass, program: LevelProgram, context: Context, dump: Callable[[LevelProgram, Any], None]
    ) -> Step:
        """Run a pass, and look at what it leaves."""
        started = time.monotonic()
        result, report = step_pass.run(program, context)
        ran = time.monotonic()
        if result is not program:
            dump(program, result)
            verify(step_pass.target, result, context.library)
            if self.check is not None:
                self.check(step_pass.name, step_pass.target, result, report)
        changed, seconds = result is not program, time.monotonic() - ran
        return Step(step_pass.name, step_pass.target, result, report, changed, ran - started, seconds)

    def _is_past(self, step_pass: Pass) -> bool:
        order = LEVELS.index
        return self.stop_at is not None and order(step_pass.target) > order(self.stop_at)


class _Beside:
    """Checks that run in child processes, to the end of the `with` block; there the first fault that one found is
    raised. It counts more than what a later pass made of the program. `steps` gets the time that each check took."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.running: list[tuple[int, Child[float], Callable[[], AbstractContextManager[None]]]] = []

    def start(self, check: Callable[[], Any], answering: Callable[[], AbstractContextManager[None]]) -> None:
        """Run the check of the step that is listed next."""
        self.running.append((len(self.steps), Child(_seconds, check), answering))

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            while self.running and (error is None or isinstance(error, Exception)):
                step, child, answering = self.running.pop(0)
                with answering():
                    seconds = child.result()
                if error is None:
                    self.steps[step] = replace(self.steps[step], seconds=seconds)
        finally:
            for _, child, _ in self.running:
                child.drop()


def _seconds(check: Callable[[], Any]) -> float:
    """How long a check took."""
    started = time.monotonic()
    check()
    return time.monotonic() - started


@contextlib.contextmanager
def answering_for(name: str, reproducer: Callable[[Exception], str], sources: Sources | None) -> Iterator[None]:
    """A context around one pass. Faults become `InternalError` with the file that `reproducer` writes; refusals get the
    user's file name. Without `sources`, locations are the user's already."""
    try:
        yield
    except InternalError as error:
        raise InternalError(error.what, pass_name=name, reproducer=reproducer(error)) from error
    except Torch2HWError as error:
        if sources is not None:
            sources.show(error)
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {str(error).strip() or 'no message'}".split("\n")[0]
        raise InternalError(text, pass_name=name, reproducer=reproducer(error)) from error
