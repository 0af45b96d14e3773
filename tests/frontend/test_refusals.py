"""What users see when a model is refused: the exact text and exit status, one file a case in `refusals/`.

A golden is the command, the files it is given, each after its `---- NAME`, and after `---- expected` the exit status
and everything printed. The command runs in a folder that holds the files.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from torch2hw.cli import main

GOLDENS = sorted((Path(__file__).parent / "refusals").glob("*.golden"))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # of the quantised models' own code
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_refusal(
    golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bless: bool
) -> None:
    head, *parts = re.split(r"^---- (.+)\n", golden.read_text(), flags=re.MULTILINE)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    expected = files.pop("expected", "")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    status = main(shlex.split(head)[1:])
    out, err = capsys.readouterr()
    answer = f"exit {status}\n{out}{err}"
    assert sorted(tmp_path.iterdir()) == before, "a refusal must leave nothing behind"
    if bless:
        golden.write_text(
            head + "".join(f"---- {name}\n{text}" for name, text in (files | {"expected": answer}).items())
        )
    else:
        assert answer == expected


def test_there_is_one_golden_for_each_class() -> None:
    from torch2hw.frontend import refusals

    codes = {vars(cls)["code"] for cls in vars(refusals).values() if isinstance(cls, type) and "code" in vars(cls)}
    texts = "".join(golden.read_text() for golden in GOLDENS)
    without = {"error", "quantisation-failed"}  # what torchao cannot quantise changes with its version
    assert codes - set(re.findall(r"error\[([\w-]+)\]", texts)) == without
