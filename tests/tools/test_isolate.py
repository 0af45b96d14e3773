"""Native code in a child: its answers and exceptions come back, its death becomes an InternalError."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time

import pytest

from torch2hw.tools.errors import InternalError, UsageError
from torch2hw.tools.isolate import run_native


def test_answers_come_back() -> None:
    assert run_native(lambda a, b: (a + b, os.getpid()), 1, b=2) != (3, os.getpid())
    assert run_native(len, b"x" * 3_000_000) == 3_000_000


def test_refusals_come_back_whole() -> None:
    def refuse() -> None:
        raise UsageError("no", location=("net.py", 3), why="because")

    with pytest.raises(UsageError) as caught:
        run_native(refuse)
    assert str(caught.value) == "net.py:3: error[usage]: no\n  why: because"


def test_what_cannot_be_pickled_still_has_a_text() -> None:
    class Strange(Exception):
        pass

    def fail() -> None:
        raise Strange("the reason")

    with pytest.raises(RuntimeError, match="Strange: the reason"):
        run_native(fail)


class Dropped:
    """Is in a circle with itself, and says in which process it is ended."""

    def __init__(self, process: list[int]) -> None:
        self.itself, self.process = self, process

    def __del__(self) -> None:
        self.process.append(os.getpid())


def test_a_child_does_not_end_what_its_parent_has_dropped() -> None:
    """An onnxruntime session that was garbage waited for ever, in a child, for its threads."""
    ended: list[int] = []

    def collected() -> int:
        gc.collect()
        return len(ended)

    gc.disable()
    try:
        Dropped(ended)
        assert run_native(collected) == 0
        assert collected() == 1
    finally:
        gc.enable()


def abort() -> None:
    os.write(2, b"assertion failed: x > 0\nstack dump\n")
    os.abort()


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (abort, "native code died of SIGABRT: assertion failed: x > 0"),
        (lambda: os._exit(3), "native code ended the process with status 3"),
    ],
)
def test_death_is_a_fault_of_ours(function: object, text: str) -> None:
    with pytest.raises(InternalError) as caught:
        run_native(function)  # type: ignore[arg-type]
    assert caught.value.what == text


def test_it_is_cheap() -> None:
    started = time.monotonic()
    for _ in range(5):
        run_native(int)
    assert time.monotonic() - started < 5 * 0.5


def test_circt_works_in_a_child_after_it_worked_in_the_parent() -> None:
    """Two modules: lower-seq-to-sv shares them out to LLVM's thread pool, whose threads only the parent has."""
    script = """
from torch2hw.tools.isolate import run_native
from torch2hw.lowering.hardware import hw_to_sv

module = 'hw.module @%s(in %%c: !seq.clock, in %%x: i8, out y: i8) {%%0 = seq.compreg %%x, %%c : i8 hw.output %%0 : i8}'
text = module % "a" + module % "b"
assert run_native(hw_to_sv.export, text) == hw_to_sv.export(text) == run_native(hw_to_sv.export, text)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
