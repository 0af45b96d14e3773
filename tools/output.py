"""Files that appear whole or not at all.

`check_writable` is asked before long work, `write_files` or `write_folder` at its end: every file is written beside its
place under a temporary name and flushed, and only when all are there do they take their names, one rename after the
other, with signals held back. Whatever fails before leaves older files as they were. A link stays one: the file that
it leads to is written. Nothing but regular files is replaced. `last` says that the command writes nothing afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch2hw.tools.errors import CheckError, UsageError, reason
from torch2hw.tools.unfinished import committing, unfinished

MAX_WRITERS = 8
"""Files that are flushed together share what the disk does: 747 ROM contents took 2.8 s one by one, and 0.25 s by 8."""


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What the file system says against `path`, a name that is too long or a folder that is closed, is a refusal."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(error, path) from None


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written."""
    with refusing(path):
        _check_writable(path)
        beside = _beside(target(path), ".tmp")
        with unfinished(beside):
            beside.touch()
            beside.unlink()


def _beside(path: Path, suffix: str) -> Path:
    """A temporary name in the folder of `path`."""
    return path.with_name(f".{secrets.token_hex(4)}{suffix}")


def _check_writable(path: Path) -> None:
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
    folder = directory.parent
    with refusing(directory):
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UsageError(f"-o {directory}: not an empty directory", fix="name a new one")
        if not folder.is_dir():
            raise UsageError(f"-o {directory}: there is no directory {folder}", fix=f"make it with mkdir -p {folder}")
        if not os.access(directory if directory.exists() else folder, os.W_OK | os.X_OK):
            raise UsageError(f"-o {directory}: permission denied", fix="choose another directory with -o")


def check_folder(option: str, folder: Path) -> None:
    """Refuse a folder for files, which may hold others, that cannot be made with what is missing above it."""
    with refusing(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if not there.is_dir():
            which = "it" if folder.exists() else there.name
            raise UsageError(f"{option} {folder}: {which} is a file", fix="name a directory")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UsageError(f"{option} {folder}: permission denied", fix="name another directory")


def write_files(files: Mapping[Path, str | bytes], last: bool = False) -> None:
    """Write all of `files`, or none."""
    for path in files:
        with refusing(path):
            _check_writable(path)
    places = {path: target(path) for path in files}
    temporary = {path: _beside(place, ".tmp") for path, place in places.items()}
    with unfinished(*temporary.values()):
        try:
            _write_flushed([(temporary[path], path, text) for path, text in files.items()])
            with committing(list(files), last):
                for path in files:
                    temporary[path].replace(places[path])
        except OSError as error:
            raise _cannot_write(error, next(iter(files))) from None
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)


def write_folder(folder: Path, files: Mapping[str, str], last: bool = False) -> None:
    """Make `folder`, which is not there or empty, with these files by their paths in it, or nothing."""
    check_free(folder)
    place = folder.absolute()
    beside = _beside(place, ".tmp")
    with unfinished(beside):
        try:
            for name in files:
                (beside / name).parent.mkdir(parents=True, exist_ok=True)
            _write_flushed([(beside / name, folder, text) for name, text in files.items()])
            with committing([folder], last):
                if place.exists():  # it may be somebody's current directory: it stays the same
                    for path in list(beside.iterdir()):
                        path.rename(place / path.name)
                else:
                    beside.rename(place)
        except OSError as error:
            raise _cannot_write(error, folder) from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _write_flushed(texts: Iterable[tuple[Path, Path, str | bytes]]) -> None:
    """Write texts, each to a path; a refusal names another one, the second."""
    with ThreadPoolExecutor(MAX_WRITERS) as writers:
        written = [(named, writers.submit(_write_one, path, text)) for path, named, text in texts]
    for named, future in written:
        with refusing(named):
            future.result()


def _write_one(path: Path, text: str | bytes) -> None:
    with path.open("wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
        file.flush()
        os.fsync(file.fileno())


def _cannot_write(error: OSError, path: Path) -> UsageError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    said = f"{path.parent} takes no files" if error.errno == errno.ENOENT else reason(error)
    return UsageError(
        f"{path}: cannot write: {said}",
        fix="make room, or choose another file" if full else "choose another file",
    )


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name beside `path` for a file that another program writes. It takes its place when the block is left, also by a
    failed check, whose waveforms are wanted most; with any other error it is gone."""
    check_writable(path)
    place = target(path)
    beside = _beside(place, place.suffix)
    with unfinished(beside):
        try:
            try:
                yield beside
            except CheckError:
                with committing([path]):
                    beside.replace(place)
                raise
            with committing([path]):
                beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
