from __future__ import annotations

from pathlib import Path

import pytest

from torch2hw.benchmarks import everything, regression
from torch2hw.explore.measure import json_text, read_points


@pytest.mark.slow
def test_the_slice_is_not_worse_than_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert regression.main([]) == 0, capsys.readouterr().out


def test_a_figure_that_is_two_per_cent_worse_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [{"model": case.name, "cycles": 1000, "lut": 500} for case in regression.SLICE]
    (tmp_path / regression.FILE).write_text(json_text(points))

    def with_cycles(cycles: int) -> int:
        monkeypatch.setattr(
            regression, "measured", lambda case, synthesis: {"model": case.name, "cycles": cycles, "lut": 400}
        )
        return regression.main(["-o", str(tmp_path)])

    assert [with_cycles(1020), with_cycles(1021)] == [0, 3]
    assert regression.main(["--record", "-o", str(tmp_path)]) == 0
    assert {(p["cycles"], p["lut"]) for p in read_points(tmp_path / regression.FILE)} == {(1021, 400)}
    assert regression.worse({"model": "a", "error": "error[x]"}, {}) == ["a: error[x]"]


def test_everything_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert everything.main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    folder = Path(everything.__file__).parent
    written = {file.stem for file in folder.glob("*.py") if "\ndef main(" in file.read_text()} - {"__main__"}
    assert {line.split()[2].rpartition(".")[2] for line in listed[1:-1]} == written - {"everything"}
    assert listed[0] == "python -m torch2hw.benchmarks"
