"""What is running is shown on a terminal, simulations with their cycles a second; nothing is shown anywhere else."""

from __future__ import annotations

import os
import pty
import time
from pathlib import Path

import pytest

from torch2hw.progress import PERIOD_SECONDS, Progress, shown_left


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool, tmp_path: Path, quiet: bool = False) -> str:
    reader, writer = pty.openpty()
    if not terminal:
        reader = writer = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT)
    with os.fdopen(writer, "w", closefd=False) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        with Progress(quiet) as progress:
            progress.step("build the simulation")
            time.sleep(3 * PERIOD_SECONDS)
            progress.cycles(3_000_000, 2.0)
            time.sleep(3 * PERIOD_SECONDS)
        os.write(writer, b"end")
    if not terminal:
        return (tmp_path / "log").read_text()
    return os.read(reader, 4096).decode()


def test_a_terminal_sees_the_step_and_the_cycles_a_second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = shown(monkeypatch, True, tmp_path)
    assert " s  build the simulation" in text
    assert " s  simulate: 3,000,000 cycles, 1,500,000 a second" in text


def test_a_file_and_a_quiet_run_see_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shown(monkeypatch, False, tmp_path) == "end"
    assert shown(monkeypatch, True, tmp_path, quiet=True) == "end"


def test_how_far_and_how_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w", closefd=False) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        with Progress() as progress:
            progress.part(0, 4, "points")
            progress.step("synthesise", 240)
            time.sleep(2 * PERIOD_SECONDS)
            monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 60)
            progress.part(1, 4, "points")
            time.sleep(2 * PERIOD_SECONDS)
            progress.tell("seed 3: failed")
    text = os.read(reader, 4096).decode()
    assert "0.2 s  0 of 4 points: synthesise, about 4 min left" in text
    assert " s  1 of 4 points, about 3 min left: synthesise, about 3 min left" in text
    assert "\r\033[Kseed 3: failed\r\n" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "about 5 s left"), (42, "about 40 s left"), (100, "about 2 min left"), (9000, "about 2.5 h left")],
)
def test_time_left_is_as_coarse_as_it_is_sure(seconds: float, text: str) -> None:
    assert shown_left(seconds) == text
