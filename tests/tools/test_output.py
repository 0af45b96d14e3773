"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torch2hw.tools.errors import CheckError, UsageError
from torch2hw.tools.output import appearing, check_writable, write_files


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="permission denied"):
        check_writable(tmp_path / "a.sv")


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
