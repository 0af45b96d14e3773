"""Child processes that never outlive torch2hw, and programs that may not be installed.

Each child leads its own process group, so the terminal's Ctrl-C reaches only torch2hw. However torch2hw ends, by
itself, by Ctrl-C or by an error, it kills the groups that still run, with all the processes in them. What is done ahead
of its need (`ahead`) ends with the block that may need it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Event, Thread
from typing import IO

from torch2hw.tools.errors import MissingTool

Command = Sequence[str | Path]

LOOK_SECONDS = 0.02  # between two looks at whether what is done ahead is still wanted
_unwanted: ContextVar[Event | None] = ContextVar("_unwanted", default=None)  # of a thread that works ahead


class UnwantedError(Exception):
    """The block that might have needed what is done ahead has ended."""


@contextmanager
def ahead(work: Callable[[], object]) -> Iterator[None]:
    """Around a block: `work`, which fills a cache that the block may need, is done meanwhile in a thread.

    When the block ends, so does `work`, with the processes that `run_all` started for it. What it raises is not told:
    who needs its result does the same again, and says so.
    """
    unwanted = Event()

    def run() -> None:
        _unwanted.set(unwanted)
        with suppress(Exception):
            work()

    thread = Thread(target=run, name="ahead")
    thread.start()
    try:
        yield
    finally:
        unwanted.set()
        thread.join()


def require(program: str, purpose: str, install: str) -> str:
    """The path of `program`, or a MissingTool that says how to install it."""
    found = shutil.which(program)
    if found is None:
        raise MissingTool(f"{purpose} needs {program}, which is not installed", fix=install)
    return found


def run(command: Command, cwd: Path, line: Callable[[str], None]) -> int:
    """Run to the end, giving each line of output and errors to `line` as it comes; the exit status."""
    processes: list[subprocess.Popen[str]] = []
    try:
        process = _start(processes, command, cwd, subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            for text in process.stdout:
                line(text.rstrip("\n"))
        return process.wait()
    finally:
        _kill(processes)


def run_all(
    commands: Sequence[Command], cwd: Path, jobs: int, env: Mapping[str, str] | None = None
) -> list[tuple[int, str]]:
    """Exit status and output of each command, in order; `jobs` run at a time. Logs stand in `cwd` while they run, as do
    temporary files of the commands: a compiler that is killed leaves them where its caller cleans up. Raises
    UnwantedError in a thread that works ahead, once nobody wants its work."""
    env = {"TMPDIR": str(cwd), **(env or {})}
    logs = [cwd / f"command-{index}.log" for index in range(len(commands))]
    processes: list[subprocess.Popen[str]] = []
    try:
        for command, log in zip(commands, logs, strict=True):
            while sum(process.poll() is None for process in processes) >= jobs:
                _still_wanted()
                time.sleep(0.005)
            with log.open("w") as output:
                _start(processes, command, cwd, output, env)
        return [
            (_ended(process), log.read_text(errors="replace")) for process, log in zip(processes, logs, strict=True)
        ]
    finally:
        _kill(processes)


def _ended(process: subprocess.Popen[str]) -> int:
    """The exit status, once there is one."""
    if _unwanted.get() is None:
        return process.wait()
    while True:
        _still_wanted()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(LOOK_SECONDS)


def _still_wanted() -> None:
    unwanted = _unwanted.get()
    if unwanted is not None and unwanted.is_set():
        raise UnwantedError


def _start(
    started: list[subprocess.Popen[str]],
    command: Command,
    cwd: Path,
    output: int | IO[str],
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start a process and put it in `started`; Ctrl-C waits until it is there, or nobody would know of the process."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        started.append(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return process


def _kill(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
