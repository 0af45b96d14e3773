"""What was built before, in the user's cache directory: directories named by a digest of all that went into them.

An entry appears whole or not at all (it is made beside its place and renamed), and is never changed. It lists its files
with their digests (`LISTING`): one that something damaged (a truncated, empty or missing file) is made again. Of each
kind the 32 used last are kept, or as many as the kind says; what a killed process left half made goes after a day. A
relative XDG_CACHE_HOME is ignored, as its specification asks. Where the cache directory cannot be written, or is full,
entries last as long as the process.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

KEPT = 32
LISTING = "contents.json"
UNFINISHED = "new-"
OLD_SECONDS = 24 * 3600.0


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for exactly these parts in this order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:32]


def entry(kind: str, name: str, make: Callable[[Path], None], kept: int = KEPT) -> Path:
    """The directory `name` of this kind; `make` fills it where it is not there yet. `kept` entries of the kind stay."""
    try:
        return _entry(_root() / kind, name, make, kept)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _entry(_temporary() / kind, name, make, kept)


def _entry(directory: Path, name: str, make: Callable[[Path], None], kept: int) -> Path:
    place = directory / name
    if intact(place):
        os.utime(place)
        return place
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=directory) as new:
        filled = Path(new) / name
        filled.mkdir()
        make(filled)
        (filled / LISTING).write_text(json.dumps(_listed(filled)))
        for _ in range(2):
            try:
                filled.rename(place)
                break
            except OSError:
                if intact(place):
                    break  # another process made the same in the meantime
                with contextlib.suppress(OSError):  # damaged: out of the way, for whoever may still read it
                    place.rename(Path(new) / "damaged")
    _prune(directory, kept)
    return place


def intact(place: Path) -> bool:
    """Whether an entry is there and its files are what they were when it was made."""
    try:
        listing = json.loads((place / LISTING).read_text())
        return bool(listing == _listed(place))
    except (OSError, ValueError):
        return False


def _listed(place: Path) -> dict[str, str]:
    """The digest of every file of an entry."""
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.name != LISTING)
    return {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@cache
def _root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    root = (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "torch2hw"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError:
        return _temporary()


@cache
def _temporary() -> Path:
    """A place of this process alone."""
    temporary = tempfile.mkdtemp(prefix="torch2hw-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _prune(directory: Path, kept: int) -> None:
    used: list[tuple[float, Path]] = []
    for place in directory.iterdir():
        try:
            changed = place.stat().st_mtime
        except FileNotFoundError:
            continue  # another process is at it too
        if not place.name.startswith(UNFINISHED):
            used.append((changed, place))
        elif changed < time.time() - OLD_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
    for _, place in sorted(used, reverse=True)[kept:]:
        shutil.rmtree(place, ignore_errors=True)
