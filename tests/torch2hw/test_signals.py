"""SIGINT and SIGTERM at any moment of a command: it ends with 130 or 143 and leaves nothing, or has done all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

MODEL = """
import torch
from torch import nn

model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
example_inputs = torch.randn(2, 6)
"""
COMMANDS = {
    "compile": ["net.py", "-o", "out.sv"],
    "simulate": ["simulate", "net.py", "--profile", "out.csv", "--trace", "out.vcd"],
}
WRITTEN = {"compile": ["out.json", "out.sv"], "simulate": ["out.csv", "out.vcd"]}
MOMENTS, FEW_MOMENTS = 21, 7
SAID = {signal.SIGINT: "torch2hw: interrupted; ", signal.SIGTERM: "torch2hw: terminated; "}


@dataclass(frozen=True)
class Ended:
    """What a command that got a signal left: the files beside the model, all else, processes; what it said."""

    status: int
    written: list[str]
    others: list[str]
    processes: list[str]
    said: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The model, and folders for temporary files and the cache."""
    for name in ("temporary", "cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def started(command: str, folder: Path) -> subprocess.Popen[str]:
    places = {"TMPDIR": str(folder / "temporary"), "XDG_CACHE_HOME": str(folder / "cache")}
    line = [sys.executable, "-m", "torch2hw", *COMMANDS[command], "--quiet"]
    return subprocess.Popen(line, cwd=folder, env=os.environ | places, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], folder: Path) -> Ended:
    with process:
        assert process.stderr is not None
        said, status = process.stderr.read(), process.wait(30)
    at_once = at_work(folder)
    written = sorted(path.name for path in folder.iterdir() if path.name not in ("temporary", "cache", "net.py"))
    others = [str(path) for path in (folder / "temporary").iterdir()]
    others += [str(path) for path in (folder / "cache").rglob("new-*")]
    return Ended(status, written, others, at_once, said)


def at_work(folder: Path) -> list[str]:
    """Command lines of the processes whose current directory is in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text())
    return found


def check(command: str, number: signal.Signals, result: Ended) -> bool:
    """Whether the signal ended the command."""
    assert not result.others and not result.processes, result
    if result.status == 0:  # it had written all that it writes
        assert result.written == WRITTEN[command] and not result.said, result
        return False
    if "written before" in result.said:  # the waveforms stand before the profile
        assert command == "simulate" and result.written == ["out.vcd"], result
    elif result.status == -number:  # Python itself had not started yet
        assert not result.written, result
    else:
        assert result.said == f"{SAID[number]}nothing was written\n" and not result.written, result
    assert result.status in (128 + number, -number), result
    return True


@pytest.mark.parametrize("number", list(SAID))
def test_a_command_that_waits_for_the_model(number: signal.Signals, folder: Path) -> None:
    (folder / "net.py").write_text(MODEL + "open('ready', 'w')\nimport time\ntime.sleep(60)\n")
    process = started("compile", folder)
    wait_for(process, lambda: (folder / "ready").exists())
    (folder / "ready").unlink()
    process.send_signal(number)
    assert check("compile", number, ended(process, folder))


@pytest.mark.simulation
def test_while_the_simulation_is_compiled(folder: Path) -> None:
    process = started("simulate", folder)
    wait_for(process, lambda: any("cc1plus" in words for words in at_work(folder)))
    process.terminate()
    assert check("simulate", signal.SIGTERM, ended(process, folder))


def wait_for(process: subprocess.Popen[str], seen: Callable[[], bool]) -> None:
    until = time.monotonic() + 240
    while not seen():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", list(SAID))
def test_while_native_code_is_imported(number: signal.Signals, folder: Path) -> None:
    process = started("compile", folder)
    wait_for(process, lambda: "libtorch_python" in maps(process.pid))
    process.send_signal(number)
    assert check("compile", number, ended(process, folder))


def maps(process: int) -> str:
    """The libraries in the memory of a process and of its child."""
    text = ""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for each in [str(process), *children]:
            text += Path(f"/proc/{each}/maps").read_text()
    return text


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.timeout(7200)  # 21 moments take three minutes on an idle machine
@pytest.mark.parametrize("number", list(SAID))
@pytest.mark.parametrize(
    ("command", "moments"),
    [
        ("compile", FEW_MOMENTS),
        pytest.param("compile", MOMENTS, marks=pytest.mark.long),
        pytest.param("simulate", MOMENTS, marks=pytest.mark.long),
    ],
)
def test_any_moment(command: str, moments: int, number: signal.Signals, folder: Path) -> None:
    for _ in range(2):  # the first one also waits for files that the system has not read yet
        began = time.monotonic()
        whole = ended(started_afresh(command, folder), folder)
        seconds = time.monotonic() - began
        assert (whole.status, whole.written, whole.others, whole.processes) == (0, WRITTEN[command], [], [])
    stopped = 0
    for moment in range(1, moments + 1):
        process = started_afresh(command, folder)
        time.sleep(seconds * moment / moments)
        process.send_signal(number)
        stopped += check(command, number, ended(process, folder))
    assert stopped > moments / 2


def started_afresh(command: str, folder: Path) -> subprocess.Popen[str]:
    """The command without what earlier ones wrote and, where it builds a simulator, without their cache."""
    for name in WRITTEN[command]:
        (folder / name).unlink(missing_ok=True)
    if command == "simulate":
        shutil.rmtree(folder / "cache" / "torch2hw", ignore_errors=True)
    return started(command, folder)
