"""What was built before: an entry that something damaged is made again, and nothing half made stays."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from torch2hw.cli import main
from torch2hw.tools import cache


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache.root.cache_clear()
    cache._temporary.cache_clear()
    yield tmp_path / "cache" / "torch2hw"
    cache.root.cache_clear()
    cache._temporary.cache_clear()


def made(times: list[int], name: str = "name") -> Path:
    def make(folder: Path) -> None:
        times.append(1)
        (folder / "inside").mkdir()
        (folder / "program").write_bytes(b"code" * 100)
        (folder / "inside" / "object").write_bytes(b"object")

    return cache.entry("kind", name, make)


def test_threads_wait_for_the_one_that_makes_an_entry() -> None:
    times: list[int] = []

    def make(folder: Path) -> None:
        times.append(1)
        time.sleep(0.2)
        (folder / "program").write_bytes(b"code")

    with ThreadPoolExecutor(3) as threads:
        places = set(threads.map(lambda _: cache.entry("kind", "name", make), range(3)))
    assert len(places) == len(times) == 1


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda place: (place / "program").write_bytes(b"code"),
    "empty": lambda place: (place / "inside" / "object").write_bytes(b""),
    "missing": lambda place: (place / "program").unlink(),
    "other bits": lambda place: (place / "program").write_bytes(b"cods" * 100),
    "not executable": lambda place: (place / "program").chmod(0o600),
    "a folder": lambda place: ((place / "program").unlink(), (place / "program").mkdir()),
    "a link": lambda place: ((place / "program").unlink(), (place / "program").symlink_to("nowhere")),
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


def test_what_was_left_half_made_goes(place: Path) -> None:
    names = ("new-left", "new-locked", "new-empty", "new-young")
    for name in names:
        (place / "kind" / name).mkdir(parents=True)
        if name != "new-empty":
            (place / "kind" / name / cache.LOCK).touch()
        if name != "new-young":
            os.utime(place / "kind" / name, (0, 0))
    with (place / "kind" / "new-locked" / cache.LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made([])
        assert sorted(each.name for each in (place / "kind").iterdir()) == ["name", "new-locked", "new-young"]
    cache.clear()
    assert [each.name for each in (place / "kind").iterdir()] == ["new-young"]


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


def test_what_was_used_longest_ago_goes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for number in range(6):
        os.utime(made([], f"name{number}"), times=(now, now - cache.IN_USE_SECONDS * (2 + number)))
    assert made([], "name5").exists()  # is the youngest now
    size = cache.entries()[0].size_bytes
    assert size > 0
    monkeypatch.setattr(cache, "LIMIT_BYTES", 3 * size)
    made([], "another")
    assert [each.place.name for each in cache.entries()] == ["another", "name5", "name0"]
    monkeypatch.setattr(cache, "MAX_ENTRIES", 1)
    made([], "one more")
    assert [each.place.name for each in cache.entries()] == ["one more", "another", "name5"]  # used in this hour
    assert sorted(each.name for each in (place / "kind").iterdir()) == ["another", "name5", "one more"]


TOGETHER = """
import sys, time
from pathlib import Path
from torch2hw.cli import main
from torch2hw.tools import cache

def make(folder):
    (folder / "program").write_text(f"code of {folder.name}" * 10_000)
    time.sleep(0.01)

cache.LIMIT_BYTES, cache.IN_USE_SECONDS = 1, 0.5
for number in range(60):
    name = f"name{number % 7}"
    place = cache.entry("kind", name, make)
    if number % 11 == 5:
        cache.clear()
    else:
        time.sleep(0.001)
    try:
        assert (place / "program").read_text() == f"code of {name}" * 10_000
    except FileNotFoundError:
        pass  # cleared
"""


def test_processes_at_once(place: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", TOGETHER], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 0
    assert not list(place.rglob("new-*")) and all(cache.intact(each.place) for each in cache.entries())


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made([])
    made([], "another")
    assert main(["cache", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["directory"] == str(place) and told["kinds"]["kind"]["entries"] == 2 and told["bytes"] > 0
    assert main(["cache"]) == 0
    assert re.fullmatch(rf"{place}: 0.0 MB of at most 1,000.0 MB\n  kind  *2  0.0 MB\n", capsys.readouterr().out)
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"{place}: 0.0 MB removed\n" and not list(place.glob("*/*"))
    assert main(["cache", "clear", "--quiet"]) == 0 and capsys.readouterr().out == ""
    assert main(["cache", "burn"]) == 2


@pytest.mark.slow
@pytest.mark.simulation
def test_simulations_with_damaged_programs_and_objects(place: Path, tmp_path: Path) -> None:
    """All that a simulation keeps: the program, the runtime's objects, the precompiled headers."""
    model = tmp_path / "net.py"
    model.write_text("import torch\nmodel = torch.nn.ReLU()\nexample_inputs = torch.tensor([1.0, -2.0])\n")
    assert main(["simulate", str(model), "--quiet"]) == 0
    files = {path: path.read_bytes() for path in place.rglob("*") if path.is_file() and path.name != cache.LISTING}
    assert any(path.name == "bench" for path in files) and any(path.suffix == ".o" for path in files)
    for damage in (b"half", b"", None):
        for path, whole in files.items():
            path.unlink()
            if damage is not None:
                path.write_bytes(whole[: len(whole) // 2] if damage else b"")
        assert main(["simulate", str(model), "--quiet"]) == 0
        assert all(path.is_file() and cache.intact(path.parent) for path in files)
