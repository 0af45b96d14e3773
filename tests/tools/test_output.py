"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from torch2hw.tools.errors import CheckError, UsageError
from torch2hw.tools.output import appearing, check_free, check_writable, write_files


def test_all_files_appear(tmp_path: Path) -> None:
    write_files({tmp_path / "a.sv": "module a;\n", tmp_path / "a.json": "{}\n"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.sv": "module a;\n", "a.json": "{}\n"}


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_older_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    (tmp_path / "a.sv").write_text("old")
    calls: list[int] = []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise stop

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        write_files({tmp_path / "a.sv": "new", tmp_path / "a.json": "new"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.sv": "old"}


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is a directory"):
        check_writable(tmp_path)
    with pytest.raises(UsageError, match="there is no directory"):
        check_writable(tmp_path / "nowhere" / "a.sv")


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link, real = tmp_path / "a.sv", tmp_path / "there" / "b.sv"
    link.symlink_to(real)
    for text in ("first", "second"):
        write_files({link: text})
        assert link.is_symlink() and real.read_text() == text
    with appearing(link) as beside:
        beside.write_text("third")
    assert link.is_symlink() and real.read_text() == "third"
    assert [path.name for path in real.parent.iterdir()] == ["b.sv"]
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(UsageError, match="leads nowhere"):
        write_files({link: "none"})


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/full")
    for path in (pipe, link, Path("/dev/full")):
        with pytest.raises(UsageError, match="it is no regular file"):
            write_files({path: "text"})
    assert Path("/dev/full").is_char_device() and pipe.is_fifo()


@contextlib.contextmanager
def without_rights() -> Iterator[Path]:
    """An open folder with a file in it and a closed folder `closed`, for a process without root's rights: this one."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "closed").mkdir()
        (folder / "old.sv").write_text("old")
        for path, mode in ((folder / "old.sv", 0o444), (folder / "closed", 0), (folder, 0o555)):
            path.chmod(mode)
        try:
            if root:
                os.setresuid(65534, 65534, 0)
            yield folder
        finally:
            if root:
                os.setresuid(0, 0, 0)
            folder.chmod(0o700)
            (folder / "closed").chmod(0o700)


def test_permissions() -> None:
    with without_rights() as folder:
        for name in ("a.sv", "old.sv", "closed/a.sv"):
            with pytest.raises(UsageError, match="cannot write: permission denied"):
                check_writable(folder / name)
        for name in ("out", "closed/out"):
            with pytest.raises(UsageError, match="permission denied"):
                check_free(folder / name)


@pytest.mark.parametrize(("stop", "there"), [(None, True), (CheckError("wrong"), True), (KeyboardInterrupt(), False)])
def test_what_another_program_writes_appears_whole(tmp_path: Path, stop: BaseException | None, there: bool) -> None:
    path = tmp_path / "a.vcd"
    path.write_text("older")
    try:
        with appearing(path) as beside:
            beside.write_text("newer")
            assert path.read_text() == "older" and beside.suffix == ".vcd"
            if stop is not None:
                raise stop
    except (CheckError, KeyboardInterrupt):
        pass
    assert path.read_text() == ("newer" if there else "older")
    assert list(tmp_path.iterdir()) == [path]
