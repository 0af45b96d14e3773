"""Notes for whoever cleans up after a killed process: what is unfinished, and when nothing may be interrupted.

A command runs in a process that `supervisor` may kill at any moment. What it would leave outside its temporary folder
is noted in a journal, a file of JSON lines:

| line | meaning |
|---|---|
| `{"begin": [PATH, …]}` | these are unfinished: they go if the process is killed |
| `{"end": [PATH, …]}` | they are finished, or gone |
| `{"written": [PATH, …]}` | these output files are in place, whole |
| `{"done": [true]}` | the command has written all that it writes: it is no longer interrupted |

While output files take their places (`committing`) the journal is locked, and the supervisor waits. A process without a
supervisor (the Python interface) has no journal: there `committing` holds signals back, and clean-up is Python's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

JOURNAL = "journal"
USERS_CODE = "users-code"
"""A file beside the journal while the user's model file is executed."""
HELD_BACK = frozenset({signal.SIGINT, signal.SIGTERM})


@dataclass(frozen=True)
class _Supervised:
    """The journal, and the folder for temporary files that are to stay when the command has ended."""

    journal: Path
    lasting: Path


_supervised: _Supervised | None = None


def supervised_in(folder: Path) -> None:
    """From now on temporary files stand in `folder`, and so does the journal; both go with the command."""
    global _supervised
    _supervised = _Supervised(folder / JOURNAL, Path(tempfile.gettempdir()))
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def lasting_folder() -> Path:
    """The folder for temporary files that outlive the command: reproducers of faults."""
    return Path(tempfile.gettempdir()) if _supervised is None else _supervised.lasting


@contextlib.contextmanager
def users_code() -> Iterator[None]:
    """Around the execution of the user's model file: where the process ends meanwhile, it is not our fault."""
    if _supervised is None:
        yield
        return
    mark = _supervised.journal.with_name(USERS_CODE)
    mark.touch()
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


@contextlib.contextmanager
def unfinished(*paths: Path) -> Iterator[None]:
    """Around the making of `paths`, files or folders: they go if the process is killed before the block is left."""
    names = [str(path.absolute()) for path in paths]
    _note({"begin": names})
    try:
        yield
    finally:
        _note({"end": names})


@contextlib.contextmanager
def committing(paths: Sequence[Path], last: bool = False) -> Iterator[None]:
    """Around the moment in which output files take their places `paths`: all of it happens, or none.

    `last`: the command writes nothing after them, and is no longer interrupted.
    """
    if _supervised is None:
        with _without_signals():
            yield
        return
    with _supervised.journal.open("a") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        yield
        names = [str(path.absolute()) for path in paths]
        _write(journal, {"written": names} | ({"done": [True]} if last else {}))


def _note(note: dict[str, list[Any]]) -> None:
    if _supervised is not None:
        with contextlib.suppress(OSError), _supervised.journal.open("a") as journal:
            _write(journal, note)


def _write(journal: IO[str], note: dict[str, list[Any]]) -> None:
    with contextlib.suppress(OSError):  # a full disk is met where it matters
        journal.write(json.dumps(note) + "\n")
        journal.flush()


@contextlib.contextmanager
def _without_signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
