from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.skips import NO_DASK
from torch2hw.cli import main
from torch2hw.explore import execution, grid, kernel_times
from torch2hw.explore.execution import Workers
from torch2hw.explore.grid import Job
from torch2hw.explore.measure import times
from torch2hw.tools import cache
from torch2hw.tools.errors import UsageError

ROOT = Path(__file__).parents[2]
SCHEMA = Path(grid.__file__).parent / "sweep.schema.json"
KERNEL = kernel_times.KernelTime("net_matmul0", "net.py:9", 0, 0, 1, 90, 90, 90, 80, 1, 1, 10, 80, {"II 2": 1.0})


def answer(task: str, job: Job) -> dict[str, Any]:
    """A worker that measures nothing: figures that follow from the options."""
    if task == "content":
        return {"error": "error[x]: <refused>"} if "refused" in job.spec else {"content": job.spec}
    lanes = job.options.partition**2
    figures = job.axes | {"cycles": 96 // lanes, "macs": 80, "mac_lanes": lanes, "lut": 50 * lanes, "bit_exact": True}
    figures |= {"io_words": 20, "kernels": [KERNEL.to_json()], "idle_cycles": 6}
    return {"figures": figures | times(figures, job.options.clock_ns), "costs": {"compile_s": 1.5, "total_s": 2.0}}


def each(answered: Callable[[str, Job], dict[str, Any]]) -> execution.Asked:
    """What answers several requests, of what answers one."""
    return lambda task, jobs: [answered(task, job) for job in jobs]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[str, Job], dict[str, Any]]], None]:
    monkeypatch.chdir(tmp_path)
    for name in ("a/net.py", "b/net.py", "refused.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def use(asked: Callable[[str, Job], dict[str, Any]]) -> None:
        monkeypatch.setattr(execution, "here", lambda jobs: Workers(lambda: ThreadPoolExecutor(jobs), each(asked)))

    use(answer)
    return use


def sweep(folder: Path, *more: str) -> int:
    return main(["sweep", "a/net.py", "b/net.py", "--partition", "2,1", "--jobs", "2", *more, "-o", str(folder)])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_files(workers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(tmp_path / "out", "--dtype", "f32,bf16", "--quantize", "none,int8") == 0
    written = files(tmp_path / "out")
    assert set(written) == {"sweep.csv", "sweep.json", "index.html", "times.csv"}
    table = written["sweep.csv"].decode()
    assert capsys.readouterr().out == table
    assert table.splitlines()[1].startswith("net 1,1,f32,,3.33,static,mem,96,True,80,1,20,50,0.3197,3128128.13")
    assert len(table.splitlines()) == 1 + 2 * 2 * 3
    assert written["times.csv"].decode().splitlines()[1] == "net 1,1,f32,,3.33,static,mem,1.5,2.0"
    told = json.loads(written["sweep.json"])
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert told["left_out"][0] == {
        "options": "--partition 1 --dtype bf16 --quantize int8 --clock-ns 3.33 --schedule static --interface mem",
        "why": "--dtype bf16: not with --quantize",
    }


def test_an_interrupted_sweep_goes_on_and_leaves_the_same_bytes(workers: Any, tmp_path: Path) -> None:
    assert sweep(tmp_path / "whole", "-q") == 0
    asked: list[tuple[str, int]] = []
    points = tmp_path / "part" / "points"

    def stops(task: str, job: Job) -> dict[str, Any]:
        if task == "measure":
            asked.append((job.spec, job.options.partition))
            if len(asked) == 3:
                until = time.monotonic() + 20
                while len(list(points.glob("*.json"))) < 2 and time.monotonic() < until:
                    time.sleep(0.01)
                raise KeyboardInterrupt
        return answer(task, job)

    shutil.rmtree(cache.root() / "point")  # what the whole sweep left is not used
    workers(stops)
    assert sweep(tmp_path / "part", "--jobs", "1", "-q") == 130
    assert not (tmp_path / "part" / "sweep.json").exists()
    shutil.rmtree(cache.root() / "point")
    done, asked[:] = asked[:2], []
    assert sweep(tmp_path / "part", "--jobs", "1", "-q") == 0
    assert not set(asked) & set(done)
    assert files(tmp_path / "part") == files(tmp_path / "whole")


ON_DASK = """
import sys
from dataclasses import replace

from distributed import LocalCluster, default_client
from tests.explore.test_sweep import answer, each

from torch2hw.cli import main
from torch2hw.explore import execution

found = execution.cluster
execution.cluster = lambda address: replace(found(address), asked=each(answer))
with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0", protocol="tcp") as both:
    status = main(["sweep", *sys.argv[1:], "--scheduler", both.scheduler_address])
    default_client().close()
sys.exit(status)
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason=NO_DASK)
def test_two_workers_of_dask_leave_the_same_bytes(workers: Any, tmp_path: Path) -> None:
    assert sweep(tmp_path / "here", "-q") == 0
    shutil.rmtree(cache.root() / "point")
    line = [sys.executable, "-c", ON_DASK, "a/net.py", "b/net.py", "--partition", "2,1", "-q", "-o", "dask"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # Dask changes what later tests of this process rely on
    subprocess.run(line, cwd=tmp_path, env=environment, check=True, timeout=300)
    assert files(tmp_path / "dask") == files(tmp_path / "here")


def test_points_of_other_sweeps_are_known_by_what_models_hold(workers: Any, tmp_path: Path) -> None:
    assert sweep(tmp_path / "one", "-q") == 0

    def never(task: str, job: Job) -> dict[str, Any]:
        assert task == "content"
        return answer(task, job)

    workers(never)
    assert sweep(tmp_path / "two", "-q") == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_death_is_a_point_that_is_tried_again(workers: Any, tmp_path: Path) -> None:
    def dies(task: str, job: Job) -> dict[str, Any]:
        killed = task == "measure" and job.options.partition == 2
        return {"died": "the process was killed"} if killed else answer(task, job)

    workers(dies)
    assert sweep(tmp_path / "out", "-q", "--clock-ns", "4.5") == 0
    assert (tmp_path / "out" / "sweep.csv").read_text().count("error[internal]: the process was killed") == 2
    workers(answer)
    assert sweep(tmp_path / "out", "-q", "--clock-ns", "4.5") == 0
    assert "error" not in (tmp_path / "out" / "sweep.csv").read_text()


def test_nothing_measured_writes_nothing(workers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "refused.py", "-o", str(tmp_path / "out")]) == 1
    assert "error[nothing-measured]: error[x]: <refused>" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_folder_stays_as_it_is(workers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("text")
    assert sweep(tmp_path) == 2
    assert "not an empty directory" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "0", "1,two", "1,,2", "-1"])
def test_partitions_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"not (?:a )?whole numbers? of 1 or more"):
        grid.values("partition", text)


def test_a_wrong_value_among_right_ones_is_refused() -> None:
    with pytest.raises(UsageError, match="--dtype f33: unknown"):
        grid.values("dtype", "f32,f33")


def test_options_that_never_go_together_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = ["sweep", "net.py", "--dtype", "bf16", "--quantize", "int8", "-o", str(tmp_path / "out")]
    assert main(line) == 2
    assert "--dtype bf16: not with --quantize" in capsys.readouterr().err


def test_axes_keep_what_belongs_to_one_of_their_values() -> None:
    axes = {"partition": [1], "dtype": ["f32"], "quantize": [None, "int8"], "clock_ns": [3.33]}
    axes |= {"schedule": ["static", "sequential"], "interface": ["mem", "axis"]}
    others = {"io": "int8", "data_bits": 64, "sequential_control": "arms", "sums": "block"}
    made = grid.grid(["net.py"], axes, others)
    options = [job.options for job in made.jobs]
    assert {(each.schedule, each.sums, each.sequential_control) for each in options} == {
        ("static", "block", "shared"),
        ("sequential", "float", "arms"),
    }
    assert {(each.interface, each.data_bits) for each in options} == {("mem", None), ("axis", 64)}
    assert len(made.left_out) == 2  # axis with sequential, quantised and not


def test_names_of_models() -> None:
    assert grid.names(["a/net.py", "b/net.py", "zoo.models:tiny"]) == ["net 1", "net 2", "tiny"]


def test_a_file_that_is_not_there_is_refused_before_any_point(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["sweep", "nowhere.py", "--partition", "1,2", "-o", str(tmp_path / "out")]) == 2
    assert "nowhere.py: no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
