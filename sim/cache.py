"""What was built before, in the user's cache directory: directories named by a digest of all that went into them.

An entry appears whole or not at all (it is made beside its place and renamed), and is never changed. Of each kind the
32 used last are kept, or as many as the kind says. Where the cache directory cannot be written, entries last as long as
the process.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

KEPT = 32


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for exactly these parts in this order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:32]


def entry(kind: str, name: str, make: Callable[[Path], None], kept: int = KEPT) -> Path:
    """The directory `name` of this kind; `make` fills it where it is not there yet. `kept` entries of the kind stay."""
    directory = _root() / kind
    place = directory / name
    if place.is_dir():
        os.utime(place)
        return place
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=directory) as new:
        filled = Path(new) / name
        filled.mkdir()
        make(filled)
        try:
            filled.rename(place)
        except OSError:
            assert place.is_dir()  # another process made the same in the meantime
    _prune(directory, kept)
    return place


@cache
def _root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    root = (Path(base) if base else Path.home() / ".cache") / "torch2hw"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError:
        temporary = tempfile.mkdtemp(prefix="torch2hw-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return Path(temporary)


def _prune(directory: Path, kept: int) -> None:
    used: list[tuple[float, Path]] = []
    for place in directory.iterdir():
        try:
            used.append((place.stat().st_mtime, place))
        except FileNotFoundError:
            continue  # another process is at it too
    for _, place in sorted(used, reverse=True)[kept:]:
        shutil.rmtree(place, ignore_errors=True)
