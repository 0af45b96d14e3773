"""What was built before: an entry that something damaged is made again, and nothing half made stays."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from torch2hw.tools import cache


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache._root.cache_clear()
    cache._temporary.cache_clear()
    yield tmp_path / "cache" / "torch2hw"
    cache._root.cache_clear()
    cache._temporary.cache_clear()


def made(times: list[int], kept: int = cache.KEPT, name: str = "name") -> Path:
    def make(folder: Path) -> None:
        times.append(1)
        (folder / "inside").mkdir()
        (folder / "program").write_bytes(b"code" * 100)
        (folder / "inside" / "object").write_bytes(b"object")

    return cache.entry("kind", name, make, kept)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda place: (place / "program").write_bytes(b"code"),
    "empty": lambda place: (place / "inside" / "object").write_bytes(b""),
    "missing": lambda place: (place / "program").unlink(),
    "other bits": lambda place: (place / "program").write_bytes(b"cods" * 100),
    "one more": lambda place: (place / "more").write_bytes(b""),
    "no listing": lambda place: (place / cache.LISTING).unlink(),
    "no list": lambda place: (place / cache.LISTING).write_text("{"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_what_is_damaged_is_made_again(damage: str, place: Path) -> None:
    times: list[int] = []
    found = made(times)
    assert made(times) == found and len(times) == 1
    DAMAGES[damage](found)
    assert made(times) == found and len(times) == 2
    assert (found / "program").read_bytes() == b"code" * 100 and (found / "inside" / "object").read_bytes() == b"object"
    assert made(times) == found and len(times) == 2
    assert [each.name for each in (place / "kind").iterdir()] == ["name"]


def test_a_file_in_an_entrys_place(place: Path) -> None:
    (place / "kind").mkdir(parents=True)
    (place / "kind" / "name").write_text("no folder")
    assert (made([]) / "program").is_file()


def test_what_was_left_half_made_goes_after_a_day(place: Path) -> None:
    for name, age in (("new-old", 2 * cache.OLD_SECONDS), ("new-young", 60.0)):
        (place / "kind" / name).mkdir(parents=True)
        changed = place.stat().st_mtime - age
        os.utime(place / "kind" / name, (changed, changed))
    made([], kept=1)
    assert sorted(each.name for each in (place / "kind").iterdir()) == ["name", "new-young"]


def test_a_relative_cache_directory_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert made([]).is_relative_to(tmp_path / "home" / ".cache") and not (tmp_path / "relative").exists()


def test_a_full_disk_is_gone_around(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    plain = cache._entry

    def full(directory: Path, *rest: object) -> Path:
        if directory.is_relative_to(place):
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(directory, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "_entry", full)
    assert (made([]) / "program").is_file()
