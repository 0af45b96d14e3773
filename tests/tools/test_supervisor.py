"""A signal ends what is supervised at any moment: no process, no temporary file and nothing half-written stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = """
import ctypes, os, signal, subprocess, sys, tempfile, time
from pathlib import Path
from torch2hw.tools import cache
from torch2hw.tools.output import appearing, write_files, write_folder
from torch2hw.tools.supervisor import supervised
from torch2hw.tools.unfinished import lasting_folder

def ready():
    tempfile.mkdtemp()
    Path("ready").touch()

def wait():
    ready()
    time.sleep(60)

def swallow():
    ready()
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def native():
    ready()
    ctypes.PyDLL(None).sleep(60)  # with the interpreter's lock

def children():
    subprocess.Popen(["sh", "-c", "sleep 61 & sleep 62"], start_new_session=True)
    subprocess.run(["setsid", "--fork", "sleep", "63"])
    wait()

def filling(place):
    (place / "half").write_text("x")
    wait()

def in_cache():
    cache.entry("kind", "name", filling)

def in_appearing():
    with appearing(Path("out.vcd")) as beside:
        beside.write_text("half")
        wait()

FILES = {"a.sv": "new", "a.json": "new"}

def signal_at(method, number):
    plain = getattr(Path, method)
    def signalling(self, *rest, **named):
        if not Path("ready").exists():
            ready()
            os.kill(os.getppid(), number)
            time.sleep(0.3)
        return plain(self, *rest, **named)
    setattr(Path, method, signalling)

def two_files(method, last):
    signal_at(method, signal.SIGTERM)
    write_files({Path(name): text for name, text in FILES.items()}, last)
    time.sleep(0.3)

def folder(method):
    signal_at(method, signal.SIGTERM)
    write_folder(Path("made"), FILES, last=True)

sys.exit(supervised(lambda: WORK or 0))
"""


def started(work: str, folder: Path) -> subprocess.Popen[str]:
    """A process that supervises `work`, in `folder`, its temporary files and caches in folders there."""
    for name in ("temporary", "cache"):
        (folder / name).mkdir()
    places = {"TMPDIR": str(folder / "temporary"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", START.replace("WORK", work)]
    return subprocess.Popen(command, cwd=folder, env=os.environ | places, stderr=subprocess.PIPE, text=True)


def wait_until_ready(process: subprocess.Popen[str], folder: Path) -> None:
    until = time.monotonic() + 60
    while not (folder / "ready").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)


def left(folder: Path) -> list[str]:
    """Files and folders, without those that the test made and the roots of caches."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    ours = {"temporary", "cache", "cache/torch2hw", "cache/torch2hw/kind", "ready"}
    return sorted(name for name in names if name not in ours)


def at_work(folder: Path) -> list[str]:
    """Command lines of the processes whose current directory is in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("work", ["wait", "swallow", "native", "children", "in_cache", "in_appearing"])
def test_a_signal_ends_it(work: str, number: signal.Signals, tmp_path: Path) -> None:
    with started(f"{work}()", tmp_path) as process:
        wait_until_ready(process, tmp_path)
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert process.stderr is not None and process.stderr.read().endswith("; nothing was written\n")
    assert not at_work(tmp_path) and not left(tmp_path)


@pytest.mark.parametrize(
    ("work", "status", "there", "said"),
    [
        ("two_files('unlink', False)", 143, ["a.json", "a.sv"], "terminated; written before, whole: .*a.sv, .*a.json"),
        ("two_files('replace', False)", 143, ["a.json", "a.sv"], "terminated; written before, whole: .*a.sv, .*a.json"),
        ("two_files('open', True)", 143, [], "terminated; nothing was written"),
        ("two_files('replace', True)", 0, ["a.json", "a.sv"], ""),
        ("folder('mkdir')", 143, [], "terminated; nothing was written"),
        ("folder('rename')", 0, ["made", "made/a.json", "made/a.sv"], ""),
    ],
)
def test_files_appear_all_or_none_and_the_status_says_which(
    work: str, status: int, there: list[str], said: str, tmp_path: Path
) -> None:
    with started(work, tmp_path) as process:
        assert process.wait(20) == status
        assert process.stderr is not None and re.search(f"^{said and 'torch2hw: '}{said}$", process.stderr.read())
    assert left(tmp_path) == there and not at_work(tmp_path)


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        ("0", 0, ""),
        ("3", 3, ""),
        ("sys.exit(4)", 4, ""),
        ("os.abort()", 70, "error[internal]: native code died of SIGABRT\n"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            137,
            "killed by SIGKILL, as happens where memory runs out; nothing was",
        ),
        ("print(Path(tempfile.gettempdir()).parent == lasting_folder(), file=sys.stderr)", 0, "True\n"),
    ],
)
def test_the_status_is_the_works(work: str, status: int, said: str, tmp_path: Path) -> None:
    with started(work, tmp_path) as process:
        assert process.wait(20) == status
        assert process.stderr is not None and said in process.stderr.read()
    assert not left(tmp_path)


def test_it_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    with started("wait()", tmp_path) as process:
        wait_until_ready(process, tmp_path)
        process.kill()
        process.wait(20)
        until = time.monotonic() + 5
        while at_work(tmp_path):
            assert time.monotonic() < until
            time.sleep(0.01)
