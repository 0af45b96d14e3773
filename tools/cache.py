"""What was built before, in the user's cache directory: directories named by a digest of all that went into them.

| what | how |
|---|---|
| place | `platformdirs`: `$XDG_CACHE_HOME/torch2hw`, or `~/.cache/torch2hw`; `KIND/DIGEST` in it |
| making | beside its place, then renamed: an entry appears whole or not at all, and is never changed |
| reading | an entry lists its files with their digests (`LISTING`); one that something damaged is made again |
| limit | `LIMIT_BYTES`, `MAX_ENTRIES`: what was used longest ago goes; what is used in this hour stays |
| several processes | the first to make an entry wins; an entry is taken away whole |
| several threads | one makes an entry, the others wait for it |
| killed processes | the lock beside what they left half made is free: it goes |
| no place | where the directory cannot be written, or is full, entries last as long as the process |

The library diskcache keeps values under keys, in files that it names itself. Entries here are folders of programs,
objects and headers, which compilers and the kernel open by their paths: they need names that stay, and modes.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from torch2hw.tools.unfinished import unfinished

LIMIT_BYTES = 1_000_000_000
MAX_ENTRIES = 4096
LISTING = "contents.json"
UNFINISHED = "new-"
LOCK = "lock"
ATTEMPTS = 5
STARTING_SECONDS = 60.0  # from the making of a folder to its lock, and from its leaving a place to its end
IN_USE_SECONDS = 3600.0
_making: dict[tuple[str, str], Lock] = {}
UNUSABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True)
class Entry:
    """`size_bytes` as the disk counts them; `used` in seconds since 1970."""

    place: Path
    size_bytes: int
    used: float

    @property
    def kind(self) -> str:
        """What made it."""
        return self.place.parent.name


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for exactly these parts in this order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:32]


def entry(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """The directory `name` of this kind; `make` fills it where it is not there yet, or is damaged."""
    with _making.setdefault((kind, name), Lock()):
        try:
            return _entry(root() / kind, name, make)
        except OSError as error:
            if error.errno not in UNUSABLE:
                raise
            return _entry(_temporary() / kind, name, make)


def entries() -> list[Entry]:
    """Every entry of the cache, those used last first."""
    found = []
    for place in root().glob("*/*"):
        with contextlib.suppress(FileNotFoundError):  # another process is at it too
            if not place.name.startswith(UNFINISHED):
                found.append(Entry(place, _size(place), place.stat().st_mtime))
    return sorted(found, key=lambda each: -each.used)


def clear() -> int:
    """Remove all entries, and what killed processes left half made; the bytes that the entries took."""
    removed = 0
    for each in entries():
        removed += each.size_bytes
        _remove(each.place)
    _remove_abandoned()
    return removed


@cache
def root() -> Path:
    """The directory of the cache, made where it is not there; one of this process alone where that is impossible."""
    from platformdirs import user_cache_path

    place = user_cache_path("torch2hw")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except OSError:
        return _temporary()


def _entry(directory: Path, name: str, make: Callable[[Path], None]) -> Path:
    place = directory / name
    if intact(place):
        with contextlib.suppress(FileNotFoundError):  # another process has just made it again
            os.utime(place)
        return place
    directory.mkdir(parents=True, exist_ok=True)
    new = directory / f"{UNFINISHED}{secrets.token_hex(4)}"
    with unfinished(new):
        try:
            filled = new / name
            filled.mkdir(parents=True)
            with (new / LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                make(filled)
                (filled / LISTING).write_text(json.dumps(_listed(filled)))
                _take_place(filled, place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    _prune()
    return place


def _take_place(filled: Path, place: Path) -> None:
    for _ in range(ATTEMPTS):
        try:
            filled.rename(place)
            break
        except OSError:
            if intact(place):
                break  # another process made the same in the meantime
            with contextlib.suppress(OSError):  # damaged: out of the way, for whoever may still read it
                place.rename(filled.parent / "damaged")


def intact(place: Path) -> bool:
    """Whether an entry is there and its files are what they were when it was made."""
    try:
        listing = json.loads((place / LISTING).read_text())
        return bool(listing == _listed(place))
    except (OSError, ValueError):
        return False


def _listed(place: Path) -> dict[str, str]:
    """The digest and mode of every file of an entry."""
    files = sorted(path for path in _files(place) if path.name != LISTING)
    return {
        path.relative_to(place).as_posix(): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mode:o}"
        for path in files
    }


def _files(place: Path) -> Iterator[Path]:
    return (path for path in place.rglob("*") if not path.is_dir() or path.is_symlink())


def _size(place: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in (place, *_files(place)))


@cache
def _temporary() -> Path:
    """A place of this process alone."""
    temporary = tempfile.mkdtemp(prefix="torch2hw-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _prune() -> None:
    """Keep to the limits, and remove what killed processes left half made."""
    _remove_abandoned()
    total = 0
    for number, each in enumerate(entries()):
        total += each.size_bytes
        if (total > LIMIT_BYTES or number >= MAX_ENTRIES) and each.used < time.time() - IN_USE_SECONDS:
            _remove(each.place)


def _remove_abandoned() -> None:
    for place in root().glob(f"*/{UNFINISHED}*"):
        with contextlib.suppress(FileNotFoundError):
            if place.stat().st_mtime < time.time() - STARTING_SECONDS and not _is_locked(place / LOCK):
                shutil.rmtree(place, ignore_errors=True)


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock; its death sets it free."""
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _remove(place: Path) -> None:
    """Out of its place first, so that nobody finds half of it."""
    aside = place.with_name(f"{UNFINISHED}{secrets.token_hex(4)}")
    with unfinished(aside), contextlib.suppress(OSError):
        place.rename(aside)
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
