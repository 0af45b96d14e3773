"""The driver: verifies after each pass, dumps what changed, and names the pass at fault."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from torch2hw.compiler.driver import Context, Driver
from torch2hw.compiler.options import Options
from torch2hw.compiler.text_program import Text
from torch2hw.frontend.locations import Sources
from torch2hw.frontend.refusals import UnsupportedOperation
from torch2hw.tools.errors import InternalError

GOOD = "func.func @main() { return }"
SOURCES = Sources(Path("/somewhere/models"), Path("models"))


@dataclass(frozen=True)
class Stub:
    name: str
    act: Callable[[Any], Any]
    source: str = "scf"
    target: str = "scf"

    def run(self, program: Any, context: Context) -> tuple[Any, dict[str, Any]]:
        return self.act(program), {}


def run(*passes: Stub, **options: Any) -> list[Any]:
    context = Context(Options(), None, "net")
    return Driver(passes, **options).run(Text(GOOD), "scf", context, SOURCES)


def fail(error: Exception) -> Callable[[Any], Any]:
    def act(program: Any) -> Any:
        raise error

    return act


def other(program: Any) -> Text:
    return Text(GOOD.replace("main", "other"))


def test_only_what_changed_is_dumped(tmp_path: Path) -> None:
    same = Stub("same-object", lambda program: program)
    equal = Stub("equal-text", lambda program: Text(program.text()))
    steps = run(same, Stub("change-name", other), equal, dump=tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["02-change-name.mlir"]
    assert [step.changed for step in steps] == [False, True, True]


class Heavy(Text):
    """A program whose weights nobody may ask for."""

    def text(self, weights: bool = True) -> str:
        assert not weights, "weights were printed"
        return self.content


def test_weights_are_never_printed(tmp_path: Path) -> None:
    heavy = Stub("make-heavy", lambda program: Heavy(GOOD.replace("main", "other")))
    assert [step.changed for step in run(heavy)] == [True]
    run(heavy, dump=tmp_path / "new")
    assert "@other" in (tmp_path / "new" / "01-make-heavy.mlir").read_text()


def test_stops() -> None:
    calyx = Stub("to-calyx", other, target="calyx")
    assert [step.name for step in run(Stub("one", other), calyx, stop_at="scf")] == ["one"]
    assert [step.name for step in run(Stub("one", other), calyx, stop_after="one")] == ["one"]


@pytest.mark.parametrize("text", ["func.func @main() { nonsense }", "func.func @main() { scf.yield }", "module {"])
def test_a_pass_that_leaves_no_program_of_its_level(text: str) -> None:
    with pytest.raises(InternalError) as caught:
        run(Stub("break-it", lambda program: Text(text)))
    assert caught.value.pass_name == "break-it"


def test_an_operation_of_another_level_is_noticed() -> None:
    text = "func.func @main(%n: index) { affine.for %i = 0 to %n { } return }"
    with pytest.raises(InternalError, match=r"not of the scf level: affine\.for"):
        run(Stub("skip-a-level", lambda program: Text(text)))


def test_a_fault_names_the_pass_and_leaves_a_reproducer() -> None:
    with pytest.raises(InternalError) as caught:
        run(Stub("one", other), Stub("two", fail(ZeroDivisionError("by zero"))))
    assert str(caught.value).startswith("error[internal]: ZeroDivisionError: by zero\n  operation: pass two\n")
    assert caught.value.reproducer is not None
    reproducer = Path(caught.value.reproducer)
    text = reproducer.read_text()
    reproducer.unlink()
    assert text.startswith("// torch2hw 0.1.0\n// level: scf\n// pass: 1 one\n// next: 2 two\n// top: net\n")
    assert "// | ZeroDivisionError: by zero\n// ----- program\n" + GOOD.replace("main", "other") in text


def test_a_refusal_gets_the_file_as_the_user_wrote_it() -> None:
    with pytest.raises(UnsupportedOperation) as caught:
        run(Stub("one", fail(UnsupportedOperation("x", location=("net.py", 4)))))
    assert caught.value.location == ("models/net.py", 4)


@dataclass(frozen=True)
class LongCheck(Stub):
    def is_long(self, program: Any) -> bool:
        return True


def test_a_long_check_runs_beside_what_follows() -> None:
    """It waits for a file that a later pass makes, and its time is its own."""
    with tempfile.TemporaryDirectory() as folder:
        begun, made = Path(folder) / "begun", Path(folder) / "made"

        def wait(program: Any) -> Any:
            begun.touch()
            while not made.exists():
                time.sleep(0.01)
            return program

        def make(program: Any) -> Any:
            while not begun.exists():
                time.sleep(0.01)
            time.sleep(0.1)
            made.touch()
            return other(program)

        steps = run(LongCheck("wait", wait), Stub("make", make))
    assert [(step.name, step.changed) for step in steps] == [("wait", False), ("make", True)]
    assert steps[0].seconds >= 0.1


@pytest.mark.parametrize("later", [other, fail(ZeroDivisionError("of what the check would have found"))])
def test_the_fault_that_a_long_check_finds_is_the_one_that_counts(later: Callable[[Any], Any]) -> None:
    with pytest.raises(InternalError) as caught:
        run(LongCheck("look", fail(AssertionError("it collides"))), Stub("later", later))
    assert (caught.value.pass_name, caught.value.what) == ("look", "AssertionError: it collides")
    assert caught.value.reproducer is not None
    Path(caught.value.reproducer).unlink()


def test_an_interrupted_compilation_leaves_no_check_behind(tmp_path: Path) -> None:
    process = tmp_path / "process"

    def sleep(program: Any) -> Any:
        (tmp_path / "new").write_text(str(os.getpid()))
        (tmp_path / "new").rename(process)
        time.sleep(60)

    def interrupted(program: Any) -> Any:
        while not process.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(LongCheck("sleep", sleep), Stub("later", interrupted))
    with pytest.raises(ProcessLookupError):
        os.kill(int(process.read_text()), 0)
