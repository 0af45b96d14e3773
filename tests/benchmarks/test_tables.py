from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from torch2hw.benchmarks import __main__ as benchmarks
from torch2hw.benchmarks.tables import markdown
from torch2hw.compiler.options import Options
from torch2hw.explore.paper import BENCHMARKS

POINT = {"model": "CNN", "partition": 1, "macs": 2_564_544, "mac_lanes": 1, "cycles": 2_700_000}
POINT |= {"predicted_cycles": 2_700_000, "bit_exact": True, "lut": 1166, "ff": 1900, "dsp": 3, "bram36": 30.5}


def test_targets_that_are_missed_are_bold() -> None:
    text = markdown([POINT], "Yosys")
    assert "| CNN | 1 | 2,564,544 | 1 | **2,700,000** | 2,630,000 | – | yes | yes |" in text
    assert "| CNN | 1 | 1,166 / 1,570 / 4,574 / 3,136 | **1,900** / 1,815 / 1,223 / 1,815 |" in text
    assert "30.5 / 43 / 43 / 213 | – |" in text
    assert "FFNN" not in text


def test_errors_are_said() -> None:
    assert "- CNN, N=2: error[x]: no" in markdown([{"model": "CNN", "partition": 2, "error": "error[x]: no"}], "Yosys")


def test_models_exist() -> None:
    assert all((benchmarks.EXAMPLES / benchmark.file).is_file() for benchmark in BENCHMARKS)


def test_results_are_kept_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"points": [POINT, {**POINT, "partition": 4}]}))
    asked = []

    def measured(spec: str, options: Options, *, name: str, **_: Any) -> dict[str, Any]:
        asked.append((Path(spec).name, options.partition))
        return {**POINT, "partition": options.partition, "cycles": 5}

    monkeypatch.setattr(benchmarks, "measure", measured)
    assert benchmarks.main(["--only", "cnn", "--partition", "1,2", "-o", str(tmp_path)]) == 0
    assert asked == [("cnn.py", 1), ("cnn.py", 2)]
    points = json.loads((tmp_path / "results.json").read_text())["points"]
    assert [(point["partition"], point["cycles"]) for point in points] == [(1, 5), (2, 5), (4, 2_700_000)]
    assert (tmp_path / "results.md").read_text().count("| CNN |") == 6
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 4
