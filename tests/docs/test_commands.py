"""Every command of README and the documentation is run, page by page, with the files that the page shows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, commands
from torch2hw.cli import main

ELSEWHERE = {  # commands that this test does not run, and who does
    "./setup.sh": ".ci/run",
    ".venv/bin/pytest -n 2": ".ci/run",
    ".venv/bin/mkdocs serve": "test_site.py builds what it serves",
    "python -m tests.operators.simulate aten.relu --partition 1": "tests/operators/test_table.py",
    "source .venv/bin/activate": "PATH of this test",
    "torch2hw search digits.py --lut 4000 --dsp 20": "tests/explore/test_search.py, on a smaller model",
    "sudo apt-get install g++ iverilog liblz4-dev zlib1g-dev": ".ci/run",
}
PRINTED = {  # page, command: what it prints
    ("interface", "vvp tiny_tb"): "x[3, 1] is at address 12\ndone in cycle 29\nPASS\n",
    ("interface", "obj_dir/Vtiny_tb"): "x[3, 1] is at address 12\ndone in cycle 29\nPASS\n",
    ("tutorial", "torch2hw simulate digits.py --runs 3"): "digits: bit-exact with its reference (3 runs)\n",
}


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_commands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in blocks(page):
        if block.title is not None:
            (tmp_path / block.title).write_text(block.text)
    for line in commands(page):
        if line in ELSEWHERE:
            continue
        for part in line.split(" && "):
            capsys.readouterr()
            answer = run(part, capsys)
            assert PRINTED.get((page.stem, part), "") in answer


def run(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run one command and return what it prints; torch2hw itself in this process."""
    words = shlex.split(line)
    if words[0] in ("torch2hw", ".venv/bin/torch2hw"):
        status = main(words[1:])
        out, err = capsys.readouterr()
        assert status == 0, f"{line}\n{out}{err}"
        return out
    if words[0] in ("iverilog", "vvp") and shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_commands_that_are_run_elsewhere_are_there() -> None:
    known = {line for page in PAGES for line in commands(page)}
    assert set(ELSEWHERE) <= known
    script = (ROOT / ".ci" / "run").read_text()
    assert all(line in script for line, where in ELSEWHERE.items() if where == ".ci/run" and "apt-get" not in line)


def test_what_is_printed_belongs_to_a_command() -> None:
    for page, command in PRINTED:
        (path,) = (each for each in PAGES if each.stem == page)
        assert any(command in line.split(" && ") for line in commands(path))


def test_files_are_those_of_the_folder() -> None:
    """A file in docs/files is shown on a page, whole."""
    shown = {block.title: block.text for page in PAGES for block in blocks(page) if block.title}
    for file in (ROOT / "docs" / "files").iterdir():
        assert shown[file.name] == file.read_text()
