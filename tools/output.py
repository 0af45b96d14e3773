"""Files that appear whole or not at all.

`check_writable` is asked before long work, `write_files` at its end: every file is written beside its place under a
temporary name and flushed, and only when all are there do they take their names, one rename after the other, with
Ctrl-C held back. Whatever fails before leaves older files as they were. A link stays one: the file that it leads to is
written. Nothing but regular files is replaced.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch2hw.tools.errors import CheckError, UsageError


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written."""
    shown, path = path, target(path)
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{shown}: cannot write: it is a directory", fix="give the name of a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{shown}: cannot write: it is no regular file", fix="give the name of a file")
    if not folder.is_dir():
        fix = f"make it with mkdir -p {folder}"
        raise UsageError(f"{shown}: cannot write: there is no directory {folder}", fix=fix)
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"{shown}: cannot write: permission denied", fix="choose another file with -o")


def target(path: Path) -> Path:
    """Where a link leads; any other path itself."""
    if not path.is_symlink():
        return path
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise UsageError(f"{path}: cannot write: a link that leads nowhere", fix="choose another file") from None


def check_free(directory: Path) -> None:
    """Refuse a directory that cannot be made, or that holds something."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"-o {directory}: not an empty directory", fix="name a new one")
    if not directory.parent.is_dir():
        raise UsageError(
            f"-o {directory}: there is no directory {directory.parent}", fix=f"make it with mkdir -p {directory.parent}"
        )


def write_files(files: Mapping[Path, str]) -> None:
    """Write all of `files`, or none."""
    for path in files:
        check_writable(path)
    places = {path: target(path) for path in files}
    temporary = {path: place.with_name(f".{secrets.token_hex(4)}.tmp") for path, place in places.items()}
    try:
        for path, text in files.items():
            with temporary[path].open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        with _without_interrupts():
            for path in files:
                temporary[path].replace(places[path])
    except OSError as error:
        raise UsageError(
            f"{error.filename or next(iter(files))}: cannot write: {(error.strerror or str(error)).lower()}",
            fix="make room, or choose another file with -o",
        ) from None
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name beside `path` for a file that another program writes. It takes its place when the block is left, also by a
    failed check, whose waveforms are wanted most; with any other error it is gone."""
    check_writable(path)
    path = target(path)
    beside = path.with_name(f".{secrets.token_hex(4)}{path.suffix}")
    try:
        try:
            yield beside
        except CheckError:
            beside.replace(path)
            raise
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
