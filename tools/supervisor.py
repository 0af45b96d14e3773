"""A command in a process of its own, and beside it one that waits: a signal ends the command at any moment.

PyTorch and MLIR take signals badly: while native code runs Python's handlers wait, and a KeyboardInterrupt that is
raised inside a callback is lost, or aborts the process. So the work is done by a child, the *worker*, and the process
that the user started, the *supervisor*, only waits. On SIGINT, SIGTERM or SIGHUP it kills the worker and all that the
worker started, removes the worker's temporary folder and what its journal (`unfinished`) says is unfinished, and exits
with 128 + the signal's number. Where the worker has written all its files (`committing(last=True)`) it is left to end
as it would have. A worker that dies of a fault of native code is reported as a fault of ours, status 70; one that dies
in the user's model file, or ends without having come to the end of its work, as the model file's, status 1.

| signal | of the supervisor | of the worker |
|---|---|---|
| SIGINT, SIGTERM, SIGHUP | blocked, taken by `sigwait` | passed on to the supervisor |
| SIGCHLD | blocked, taken by `sigwait` | default |
| SIGKILL | kills the worker too | is reported as such: where memory runs out, the kernel sends it |

Linux: the supervisor adopts what the worker leaves behind (a child subreaper), so it finds every process.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from torch2hw.tools.errors import InternalError
from torch2hw.tools.unfinished import JOURNAL, USERS_CODE, supervised_in

Note = dict[str, list[str]]

STOPPING = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
FAULTS = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP})
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ANSWERED = "answered"  # a file in the worker's folder: its work has come to an end
COMMIT_SECONDS = 20.0  # how long a worker may take to put its files in place
SHOWN_FILES = 4
CLEAR_LINE = b"\r\033[K"  # of the progress that a terminal shows


def stop_at_once(number: int, frame: object) -> NoReturn:
    """A signal handler for a process that has started nothing yet."""
    _tell(f"torch2hw: {STOPPING[signal.Signals(number)]}; nothing was written")
    os._exit(128 + number)


def supervised(work: Callable[[], int]) -> int:
    """The status of `work()`, which runs in a child process; this process comes back when it has ended or been killed.

    Called while there is one thread. In the child this function does not return: it exits as Python does.
    """
    folder = Path(tempfile.mkdtemp(prefix="torch2hw-"))
    heard = {number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {*heard, signal.SIGCHLD})
    supervisor = os.getpid()
    worker = os.fork()
    if worker == 0:
        _become_worker(supervisor, heard, folder)
        _finish(work, folder)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        return _wait(worker, heard, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _become_worker(supervisor: int, heard: set[signal.Signals], folder: Path) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(128 + signal.SIGKILL)
    for number in heard:
        signal.signal(number, lambda number, frame: os.kill(supervisor, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*heard, signal.SIGCHLD})
    supervised_in(folder)


def _finish(work: Callable[[], int], folder: Path) -> NoReturn:
    """Exit with the status of `work()`, as Python does, but without waiting for threads of the user's code."""
    try:
        status: object = work()
    except SystemExit as error:
        status = error.code
    finally:
        (folder / ANSWERED).touch()  # not reached where the user's code ends the process
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def _wait(worker: int, heard: set[signal.Signals], folder: Path) -> int:
    """Until the worker has ended, or a signal ends it; the exit status."""
    finishing = False
    while True:
        number = signal.sigwait({*heard, signal.SIGCHLD})
        if number != signal.SIGCHLD:
            notes = _locked_notes(folder / JOURNAL)
            if not finishing and any("done" in note for note in notes):
                finishing = True  # a second signal does end it
                continue
            _end(worker, notes)
            _tell(f"torch2hw: {STOPPING[signal.Signals(number)]}; {_written(notes, folder)}")
            return 128 + number
        status = _reap(worker)
        if status is None:
            continue
        if status < 0:
            return _report_death(signal.Signals(-status), worker, folder)
        if not (folder / ANSWERED).exists():
            _end(worker, _locked_notes(folder / JOURNAL))
            return _blame_the_model(f"ended the process with status {status}")
        return status


def _reap(worker: int) -> int | None:
    """Take the status of every child that has ended; the worker's, if it is among them (negative: a signal's)."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == worker:
                found = os.waitstatus_to_exitcode(ended[1])
    return found


def _report_death(number: signal.Signals, worker: int, folder: Path) -> int:
    notes = _locked_notes(folder / JOURNAL)
    _end(worker, notes)
    if number in FAULTS and (folder / USERS_CODE).exists():
        return _blame_the_model(f"died of {number.name}")
    if number in FAULTS:
        _tell(str(InternalError(f"native code died of {number.name}")))
        return InternalError.exit_status
    memory = ", as happens where memory runs out" if number == signal.SIGKILL else ""
    _tell(f"torch2hw: killed by {number.name}{memory}; {_written(notes, folder)}")
    return 128 + number


def _blame_the_model(did: str) -> int:
    """What to say where the process came to an end within the user's code."""
    why = "torch2hw executes the file to get the model"
    fix = "take out what ends Python (os._exit, os.abort), or the native code that fails"
    _tell(f"error[model-file]: the model file {did}; nothing was written\n  why: {why}\n  fix: {fix}")
    return 1


def _end(worker: int, notes: Sequence[Note]) -> None:
    """Kill, and remove what is unfinished."""
    _kill_all(worker)
    left: dict[str, None] = {}
    for note in notes:
        left |= dict.fromkeys(note.get("begin", []))
        for name in note.get("end", []):
            left.pop(name, None)
    written = [Path(name) for note in notes for name in note.get("written", [])]
    for path in map(Path, left):
        if any(path in file.parents for file in written):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _kill_all(worker: int) -> None:
    """Kill the worker and all below it: whoever loses its parent becomes a child of ours."""
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    while True:
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """Processes whose parent this one is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            after_name = (process / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[1]) == os.getpid():
                found.append(int(process.name))
    return found


def _locked_notes(journal: Path) -> list[Note]:
    """The lines of the journal, once no file is being put in place; the lock stays until this process ends."""
    file = os.open(journal, os.O_RDONLY | os.O_CREAT)
    until = time.monotonic() + COMMIT_SECONDS
    while time.monotonic() < until:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        time.sleep(0.01)
    lines = journal.read_text().split("\n")
    return [json.loads(line) for line in lines if line.endswith("}")]


def _written(notes: Sequence[Note], folder: Path) -> str:
    """What a message says of the output files; those in the worker's temporary folder are none."""
    names = dict.fromkeys(name for note in notes for name in note.get("written", []))
    files = [name for name in names if folder not in Path(name).parents]
    if not files:
        return "nothing was written"
    return f"written before, whole: {', '.join(files) if len(files) <= SHOWN_FILES else f'{len(files)} files'}"


def _tell(text: str) -> None:
    """To stderr, which may be gone."""
    with suppress(OSError):
        os.write(2, (CLEAR_LINE if os.isatty(2) else b"") + text.encode(errors="replace") + b"\n")
