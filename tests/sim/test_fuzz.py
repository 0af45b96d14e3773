"""The fuzzer: models are valid and reproducible, failures are seen, shrunk and written as files that run."""

from __future__ import annotations

import csv
import os
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from torch2hw.cli import main
from torch2hw.commands.command_line import command_parser
from torch2hw.commands.model_arguments import options_of
from torch2hw.compiler.options import DTYPES, QUANTISATIONS, SUMS, Options
from torch2hw.sim import fuzz, fuzz_models, fuzz_run
from torch2hw.sim.fuzz import Outcome
from torch2hw.sim.fuzz_layers import ANY
from torch2hw.sim.fuzz_models import LAYERS, MAX_LAYERS, kinds, source


def run_text(text: str) -> list[torch.Tensor]:
    names: dict[str, object] = {}
    exec(text, names)
    model, inputs = names["model"], names["example_inputs"]
    assert isinstance(model, torch.nn.Module) and isinstance(inputs, tuple)
    result = model.eval()(*inputs)
    return list(result.values()) if isinstance(result, dict) else [*result] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("seed", range(40))
def test_every_model_runs_in_pytorch_whole_and_shrunk(seed: int) -> None:
    assert source(seed) == source(seed)
    for one, other in zip(run_text(source(seed)), run_text(source(seed)), strict=True):
        assert torch.equal(one, other) or one.isnan().any()
    for number in range(MAX_LAYERS):
        run_text(source(seed, {number}))


def test_every_layer_of_the_grammar_and_every_option_comes_up() -> None:
    met = {kind for seed in range(600) for kind in kinds(source(seed))}
    assert met >= {name for layers in (ANY, *LAYERS.values()) for name, _ in layers} | {"embedding", "two inputs"}
    options = [fuzz.options_of(seed) for seed in range(2000)]
    assert {each.partition for each in options} == set(range(1, 9))
    assert {each.schedule for each in options} == {"static", "sequential"}
    assert not all(each.overlap and each.share_units and each.share_memories for each in options)
    assert {each.sequential_control for each in options} == {"shared", "arms"}
    assert {(each.dtype, each.sums) for each in options} == {(d, s) for d in DTYPES for s in SUMS}
    assert {(each.quantize, each.io) for each in options} > {(q, io) for q in QUANTISATIONS for io in (None, "float")}
    kept = [each for each in options if each.keep_float]
    assert 0 < len(kept) < 200 and f"--keep-float {kept[0].keep_float[0]}" in fuzz.arguments_of(kept[0])


def test_options_are_written_as_the_command_line_takes_them(tmp_path: Path) -> None:
    assert fuzz.arguments_of(Options()) == ""
    wanted = Options(3, clock_ns=5.0, overlap=False, share_units=False, share_memories=False)
    words = fuzz.arguments_of(wanted).split()
    assert words == [
        "--partition",
        "3",
        "--clock-ns",
        "5.0",
        "--no-overlap",
        "--no-shared-units",
        "--no-shared-memories",
    ]
    for options in (wanted, *map(fuzz.options_of, range(300))):
        parsed = command_parser().parse_args(["compile", "x.py", *fuzz.arguments_of(options).split()])
        assert options_of(parsed) == options


@pytest.mark.parametrize("seed", range(60))
def test_simpler_options_are_other_options(seed: int) -> None:
    options = fuzz.options_of(seed)
    assert options not in list(fuzz._simpler(options))


def test_a_failure_is_shrunk_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(seed: int, text: str, options: Options) -> Outcome:
        wrong = "tanh" in text and options.partition > 1
        return Outcome(seed, "failed" if wrong else "passed", "tanh is wrong", "", kinds(text), 1.0)

    monkeypatch.setattr(fuzz, "try_model", pretend)
    seed = next(
        seed
        for seed in range(9000)
        if "tanh" in source(seed) and len(kinds(source(seed))) > 3 and fuzz.options_of(seed).partition > 2
    )
    text = fuzz.write_failure(fuzz.run_seed(seed), tmp_path).read_text()
    assert "tanh" in text and text.count("x = ") < source(seed).count("x = ")
    assert f"# torch2hw simulate fuzz{seed}.py --partition 2 --check\n# tanh is wrong" in text


def pretended(seed: int) -> Outcome:
    verdict = "failed" if seed == 3 else "refused" if seed == 4 else "passed"
    return Outcome(seed, verdict, "m.py:1: error[x]: no", "--partition 2", ("linear", "linear"), 0.5)


def test_a_run_is_counted_recorded_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(outcome: Outcome, folder: Path) -> Path:
        return folder / f"fuzz{outcome.seed}.py"

    monkeypatch.setattr(fuzz_run, "write_failure", written)
    told: list[str] = []

    def threads() -> Executor:
        return ThreadPoolExecutor(2)

    summary = fuzz_run.fuzz(range(6), threads, 2, tmp_path / "out", task=pretended, tell=told.append)
    assert summary.to_json() | {"seconds": 0} == {
        "models": 6,
        "verdicts": {"passed": 4, "failed": 1, "refused": 1},
        "layers": {"linear": 4},
        "options": {"--partition 2": 4},
        "refusals": {"error[x]: no": 1},
        "seconds": 0,
    }
    assert sorted(told)[0] == f"  shrunk to {tmp_path / 'out' / 'fuzz3.py'}"
    rows = list(csv.DictReader((tmp_path / "out" / "outcomes.csv").read_text().splitlines()))
    assert sorted(int(row["seed"]) for row in rows) == list(range(6))
    assert fuzz_run.fuzz(range(6), threads, 2, tmp_path / "out", seconds=-1).verdicts.total() == 0


def dies_at_two(seed: int) -> Outcome:
    if seed == 2:
        os._exit(1)
    return pretended(0)


@pytest.mark.slow
def test_a_process_that_dies_costs_one_seed() -> None:
    found = list(fuzz_run.outcomes(iter(range(4)), fuzz_run.processes(1), 2, dies_at_two))
    assert sorted(outcome.verdict for outcome in found) == ["failed", "passed", "passed", "passed"]
    assert next(outcome for outcome in found if outcome.verdict == "failed").detail == "the process died"


def test_the_grammar_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--grammar"]) == 0
    assert capsys.readouterr().out.strip() == (fuzz_models.__doc__ or "").strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "9..3"], "error[usage]: --seeds 9..3: not a range of whole numbers\n  fix: use --seeds 0..99"),
        (["--seeds", "ten"], "error[usage]: --seeds ten: not a range of whole numbers\n  fix: use --seeds 0..99"),
        (["--seeds", "1", "--dask", "tcp://nowhere:1"], "error[missing-tool]: --dask needs the package distributed"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # as where it is not installed
    assert main(["fuzz", *arguments, "-o", str(tmp_path / "out")]) in (1, 2)
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.slow
def test_a_seed_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As workers of a Dask cluster run them; without a compiler, the design cannot be built, which is a refusal."""
    monkeypatch.setenv("PATH", "")
    outcome = fuzz_run.in_a_process(5)
    assert (outcome.seed, outcome.verdict, outcome.kinds) == (5, "refused", kinds(source(5)))
    assert outcome.detail == "error[missing-tool]: simulation needs g++, which is not installed"


@pytest.mark.simulation
@pytest.mark.slow
def test_half_a_minute_of_models_finds_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    summary = fuzz_run.fuzz(range(200), fuzz_run.processes(1), 1, tmp_path, seconds=30, tell=told.append)
    assert summary.verdicts["failed"] == 0, "\n".join(told)
    assert summary.verdicts["passed"] > 0
