from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.explore.test_sweep import each
from torch2hw.cli import main
from torch2hw.compiler.options import Options
from torch2hw.explore import execution
from torch2hw.explore.execution import Workers
from torch2hw.explore.goal import Goal, part_budget
from torch2hw.explore.grid import Job
from torch2hw.explore.records import Records
from torch2hw.explore.search import Candidate, NoDesign, candidates, search
from torch2hw.tools.errors import UsageError

BASE = Job("net", "search.py", ".", Options())


def figures(job: Job) -> dict[str, Any]:
    """A model of designs: lanes cost LUTs, dot products fewer, integers the fewest; the measured ones."""
    options = job.options
    lanes = options.partition**2
    lut = lanes * (300 if options.quantize else 350 if options.sums == "block" else 500) + 400
    return {"cycles": 4000 // lanes + 7, "lut": lut, "dsp": lanes if options.quantize else 2 * lanes, "bram36": 3}


def answer(task: str, job: Job) -> dict[str, Any]:
    """Estimates are a third above what is measured; iterative units change nothing."""
    told = figures(job)
    latency = told["cycles"] * job.options.clock_ns / 1000
    if task == "content":
        return {"content": "search"}
    if task == "predict":
        twin = f"{job.options.partition} {job.options.sums} {job.options.quantize}"
        return {"predicted": {**told, "lut": round(told["lut"] * 1.33), "latency_us": latency, "digest": twin}}
    return {"figures": {**job.axes, **told, "latency_us": latency, "bit_exact": True}, "costs": {}}


WORKERS = Workers(lambda: ThreadPoolExecutor(2), each(answer))


def best(goal: Goal, formats: tuple[str, ...] = ("f32",), most: int = 6) -> tuple[Candidate, list[Candidate]]:
    tried = candidates(BASE, range(1, 7), formats)
    return search(tried, goal, WORKERS, Records(None), most=most), tried


@pytest.mark.parametrize("lut", [900, 2_000, 6_000, 13_000])
@pytest.mark.parametrize("formats", [("f32",), ("f32", "int8")])
def test_the_fastest_within_a_budget_is_that_of_an_exhaustive_sweep(lut: int, formats: tuple[str, ...]) -> None:
    found, tried = best(Goal({"lut": lut, "dsp": 60}), formats)
    fitting = [figures(c.job) for c in tried if figures(c.job)["lut"] <= lut and figures(c.job)["dsp"] <= 60]
    assert found.measured["cycles"] == min(each["cycles"] for each in fitting)
    assert found.measured["lut"] <= lut and found.measured["bit_exact"] is True
    assert all(candidate.verdict for candidate in tried)
    assert sum(bool(candidate.measured) for candidate in tried) <= 6


def test_the_smallest_that_is_fast_enough() -> None:
    found, tried = best(Goal({"lut": 100_000}, latency_us=1.6))
    assert found.words == "--partition 3 --sums block"
    assert [c.verdict for c in tried if c.words == "--partition 2"] == ["too slow: 3.353 µs"]
    assert [c.verdict for c in tried if c.words == "--partition 3 --sums block --no-iterative-units"] == [
        "the same design as --partition 3 --sums block"
    ]


def test_no_design_says_what_comes_nearest() -> None:
    with pytest.raises(NoDesign, match="no design reaches the goal: LUT ≤ 10; the fastest") as refused:
        best(Goal({"lut": 10}))
    assert "--partition 1 comes nearest" in str(refused.value)


def test_budgets_of_devices() -> None:
    assert part_budget("XCU50-fsvh2104-2-e")["dsp"] == 5952
    with pytest.raises(UsageError, match="--part xc1: unknown"):
        part_budget("xc1")


def test_a_refused_model_is_refused_before_any_design() -> None:
    def refuses(task: str, job: Job) -> dict[str, Any]:
        assert task == "content"
        return {"error": "aten.fft_fft is unsupported"}

    with pytest.raises(NoDesign, match="fft_fft is unsupported"):
        workers = replace(WORKERS, asked=each(refuses))
        search(candidates(BASE, [1, 2], ["f32"]), Goal({"lut": 9}), workers, Records(None), most=6)


MODEL = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(3, 2)
example_inputs = (torch.randn(2, 3),)
"""


@pytest.mark.slow
@pytest.mark.simulation
def test_a_search_without_stand_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(MODEL)
    assert main(["search", "net.py", "--lut", "1500", "--dsp", "3", "--factors", "1", "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "torch2hw net.py --partition 1 -o net.sv"
    measured = told["best"]["measured"]
    assert measured["bit_exact"] is True and measured["lut"] <= 1500 and measured["dsp"] == 2
    assert [each["predicted"]["dsp"] for each in told["tried"]] == [2, 2]
    assert told["tried"][1]["verdict"] == "the same design as --partition 1"


def test_a_process_that_ends_answers_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for the worker answers jobs until it meets one that ends it."""
    stand_in = tmp_path / "stand_in"
    stand_in.write_text(
        '#!/bin/sh\nexec 3>"$4"\n'
        """python3 -c 'import json; [print(j["name"]) for j in json.load(open("request.json"))["jobs"]]' | """
        """while read name; do [ $name = bad ] && exit 9; echo "{\\"content\\": \\"$name\\"}" >&3; done\n"""
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(execution.sys, "executable", str(stand_in))
    jobs = [replace(BASE, name=name) for name in ("a", "bad", "b")]
    assert execution.ask("content", jobs) == [
        {"content": "a"}, {"died": "the process ended with status 9"}, {"content": "b"}
    ]  # fmt: skip


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "nowhere.py", "--lut", "9"]) == 2
    assert "nowhere.py: no such file" in capsys.readouterr().err


def test_the_command_says_what_makes_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search.py").touch()
    monkeypatch.setattr(execution, "here", lambda jobs: WORKERS)
    assert main(["search", "search.py", "--lut", "2000", "--clock-ns", "4", "--factors", "2,1", "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "torch2hw search.py --partition 2 --sums block --clock-ns 4 -o search.sv"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "search: no budget"),
        (["--lut", "many"], "--lut many: not a number of 0 or more"),
        (["--lut", "9", "--fps", "0"], "--fps 0: not a number above 0"),
        (["--lut", "9", "--formats", "f8"], "--formats f8: unknown"),
        (["--lut", "9", "--formats", "f32", "--dtype", "bf16"], "--formats with --dtype or --quantize"),
        (["--lut", "9", "--schedule", "sequential"], "unsupported with --schedule sequential"),
        (["--lut", "9", "--factors", "0"], "--partition 0"),
    ],
)
def test_wrong_goals(words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["search", "search.py", *words]) == 2
    assert message in capsys.readouterr().err
