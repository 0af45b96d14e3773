from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.explore.test_sweep import SCHEMA, answer, sweep, workers  # noqa: F401 - a fixture
from torch2hw.cli import main
from torch2hw.explore import against, published
from torch2hw.explore.grid import Job

POINT = {"model": "mine", "partition": 2, "clock_ns": 4.0, "schedule": "static", "macs": 208_896, "io_words": 4352}
POINT |= {"mac_lanes": 4, "cycles": 52_248}


def test_published_figures_stand_beside_a_model_of_their_size() -> None:
    paper, vitis = published.paper([POINT], "paper"), published.paper([POINT], "vitis")
    assert [(row["partition"], row["latency_us"], row["lut"]) for row in paper] == [
        (1, 22475, 3730),
        (2, 9378, 13197),
        (4, 3078, 49121),
    ]
    assert vitis[2]["bram36"] == 64 and vitis[0]["model"] == "mine"
    assert all(row["published"] and "published" in row["note"] for row in (*paper, *vitis))
    assert published.paper([{**POINT, "io_words": 1}], "paper") == []


def test_the_ideal_machine_and_estimates() -> None:
    (ideal,) = published.ideal([POINT])
    assert (ideal["cycles"], ideal["latency_us"], ideal["published"]) == (52_224, 208.896, False)
    (autosa,) = published.autosa([POINT])
    assert (autosa["lut"], autosa["dsp"]) == (1932, 20) and autosa["note"].startswith("estimate")


def test_rows_of_a_sweep(workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def also_vitis(task: str, job: Job) -> dict[str, Any]:
        return {"figures": {"cycles": 7, "lut": 9, "note": "x"}} if task == "vitis" else answer(task, job)

    workers(also_vitis)
    monkeypatch.setattr(against.shutil, "which", lambda name: f"/bin/{name}")
    assert sweep(tmp_path / "out", "--against", "vitis,sequential,ideal", "-q") == 0
    told = json.loads((tmp_path / "out" / "sweep.json").read_text())
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert [(row["flow"], row["partition"], row["cycles"]) for row in told["against"] if row["model"] == "net 1"] == [
        ("Vitis HLS", 1, 7),
        ("Vitis HLS", 2, 7),
        ("sequential", 1, 96),
        ("sequential", 2, 24),
        ("ideal", 1, 80),
        ("ideal", 2, 20),
    ]
    assert "sequential N=2" in (tmp_path / "out" / "index.html").read_text()


def test_an_unknown_flow_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sweep", "net.py", "--against", "vitis,hls4ml", "-o", str(tmp_path / "out")]) == 2
    assert "--against hls4ml: unknown\n  fix: the flows are vitis, paper" in capsys.readouterr().err
