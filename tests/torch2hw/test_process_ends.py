"""How the process ends where the shell, the system or the user's code makes it hard."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PYTHON = f"{sys.executable} -m torch2hw"
MODEL = """
import os, threading, time
import torch
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        os.chdir("/")
        return x + x

model = Net()
example_inputs = torch.randn(3)
threading.Thread(target=lambda: time.sleep(3600)).start()
"""


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The line in bash: its status is that of the first command of a pipe."""
    places = os.environ | {"TMPDIR": str(folder)}
    said = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        cwd=folder, env=places, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in said.stderr and "Exception ignored" not in said.stderr, said.stderr
    assert not list(folder.glob("torch2hw-*")), "a report of a fault"
    return said


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        (f"{PYTHON} passes >&-", 0, ""),
        (f"{PYTHON} --help >&- 2>&- <&-", 0, ""),
        (f"{PYTHON} passes | head -0", 1, ""),
        (f"{PYTHON} --help | head -0", 1, ""),
        (f"{PYTHON} passes >/dev/full", 2, "error[usage]: standard output: cannot write: no space left on device"),
        (f"ulimit -v 1000000; {PYTHON} --help", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(line: str, status: int, said: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert (done.returncode, done.stderr.split("\n")[0]) == (status, said)


@pytest.mark.parametrize(
    ("code", "did"),
    [
        ("os._exit(0)", "ended the process with status 0"),
        ("os._exit(3)", "ended the process with status 3"),
        ("os.abort()", "died of SIGABRT"),
    ],
)
def test_a_model_file_that_ends_the_process(code: str, did: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(f"import os\n{code}\n")
    done = shell(f"{PYTHON} net.py -o out.sv", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error[model-file]: the model file {did}; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


def test_memory_that_runs_out(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    done = shell(f"ulimit -v 1500000; {PYTHON} net.py -o out.sv", tmp_path)
    assert (done.returncode, done.stdout) == (137, "")
    assert done.stderr == "torch2hw: memory ran out (see ulimit -v); nothing was written\n"


@pytest.mark.slow
def test_a_model_that_changes_the_folder_and_leaves_a_thread(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    began = time.monotonic()
    done = shell(f"{PYTHON} net.py -o out.sv", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "out.json", "out.sv"]
    assert time.monotonic() - began < 200  # the thread sleeps for an hour
