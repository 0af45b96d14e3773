from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from torch2hw.tools.processes import ahead, run, run_all

INTERRUPTED = """
import sys
from pathlib import Path
from torch2hw.tools.processes import ahead, run, run_all
work = Path(sys.argv[1])
command = ["sh", "-c", "sleep 60 & echo $! > pid; wait"]
if sys.argv[2] == "run":
    run(command, work, print)
else:
    run_all([command, command], work, 2)
"""


@pytest.mark.parametrize("how", ["run", "run_all"])
def test_an_interrupt_leaves_no_process(tmp_path: Path, how: str) -> None:
    ours = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(tmp_path), how], stderr=subprocess.PIPE)
    pid_file = tmp_path / "pid"
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert ours.poll() is None
        time.sleep(0.01)
    ours.send_signal(signal.SIGINT)
    _, errors = ours.communicate(timeout=10)
    assert b"KeyboardInterrupt" in errors
    deadline = time.monotonic() + 5  # a kill takes effect when the process is next scheduled
    while _is_running(int(pid_file.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    """A killed process that nobody has waited for yet (state Z) does not run."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_results_are_in_the_order_of_the_commands(tmp_path: Path) -> None:
    commands = [["sh", "-c", f"sleep 0.{3 - i}; echo {i}; exit {i}"] for i in range(3)]
    assert run_all(commands, tmp_path, 3) == [(0, "0\n"), (1, "1\n"), (2, "2\n")]
    lines: list[str] = []
    assert run(["sh", "-c", "echo a; echo b >&2; exit 4"], tmp_path, lines.append) == 4
    assert lines == ["a", "b"]


def test_work_ahead_ends_with_its_block(tmp_path: Path) -> None:
    begun = tmp_path / "pid"
    started = time.monotonic()
    with ahead(lambda: run_all([["sh", "-c", f"echo $$ > {begun}; sleep 60"]], tmp_path, 1)):
        while not (begun.exists() and begun.read_text().strip()):
            time.sleep(0.01)
    assert time.monotonic() - started < 30
    assert not _is_running(int(begun.read_text()))


def test_work_ahead_is_done_and_its_errors_are_not_told(tmp_path: Path) -> None:
    done = threading.Event()
    with ahead(lambda: (run_all([["true"], ["true"]], tmp_path, 1), done.set())):
        assert done.wait(30)
    with ahead(lambda: run_all([["no such program"]], tmp_path, 1)):
        pass
