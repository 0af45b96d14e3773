from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from torch2hw.benchmarks import sweep as sweeps
from torch2hw.cli import main
from torch2hw.compiler.options import Options
from torch2hw.tools.errors import UsageError

FIGURES = {"macs": 100, "bit_exact": True, "bram36": 0, "mac_utilization": 0.5}


def measured(spec: str, options: Options, *, name: str, **_: Any) -> dict[str, Any]:
    lanes = options.partition**2
    if options.partition == 3:
        return {"model": name, "partition": 3, "error": "error[x]: <refused>"}
    figures = {"cycles": 100 // lanes, "lut": 50 * lanes + 10, "mac_lanes": lanes}
    return {"model": name, "partition": options.partition, **figures, **FIGURES}


@pytest.fixture(autouse=True)
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "measure", measured)


@pytest.mark.slow
def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    assert main(["sweep", "a/net.py", "b/net.py", "--partition", "4,3,1", "-o", str(folder)]) == 0
    assert {path.name for path in folder.iterdir()} == {
        "sweep.csv",
        "sweep.json",
        "index.html",
        "cycles.svg",
        "lut.svg",
        "lut_per_lane.svg",
    }
    table = (folder / "sweep.csv").read_text()
    assert capsys.readouterr().out == table
    assert table.splitlines()[0] == "model,partition,cycles,bit_exact,macs,mac_lanes,mac_utilization,lut,bram36,error"
    assert table.splitlines()[1] == "net 1,1,100,True,100,1,0.5,60,0,"
    assert len(table.splitlines()) == 7
    points = json.loads((folder / "sweep.json").read_text())["points"]
    assert [(point["model"], point["partition"]) for point in points[:3]] == [("net 1", 1), ("net 1", 3), ("net 1", 4)]
    page = (folder / "index.html").read_text()
    assert "&lt;refused&gt;" in page
    assert '<img src="cycles.svg"' in page


@pytest.mark.slow
def test_files_are_the_same_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["sweep", "net.py", "--partition", "1,2", "-o", str(tmp_path / name), "-q"]) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_nothing_measured_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "net.py", "--partition", "3", "-o", str(tmp_path / "out")]) == 1
    assert "error[nothing-measured]: error[x]: <refused>" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "0", "1,two", "1,,2", "-1"])
def test_partitions_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="not whole numbers of 1 or more"):
        sweeps.partitions(text)
