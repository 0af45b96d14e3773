"""The fuzzer: models are valid and reproducible, failures are seen, shrunk and written as files that run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from torch2hw.sim import fuzz
from torch2hw.sim.fuzz_models import MOST_LAYERS, source


def run_text(text: str) -> torch.Tensor:
    names: dict[str, object] = {}
    exec(text, names)
    model, inputs = names["model"], names["example_inputs"]
    assert isinstance(model, torch.nn.Module) and isinstance(inputs, tuple)
    result = model.eval()(*inputs)
    assert isinstance(result, torch.Tensor)
    return result


@pytest.mark.parametrize("seed", range(40))
def test_every_model_runs_in_pytorch_whole_and_shrunk(seed: int) -> None:
    assert source(seed) == source(seed)
    assert torch.equal(run_text(source(seed)), run_text(source(seed)))
    for number in range(MOST_LAYERS):
        run_text(source(seed, {number}))


def test_a_failure_is_shrunk_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(seed: int, text: str, options: fuzz.Options) -> fuzz.Outcome:
        return fuzz.Outcome(seed, "failed" if "tanh" in text else "passed", "tanh is wrong")

    monkeypatch.setattr(fuzz, "try_model", pretend)
    seed = next(seed for seed in range(200) if "tanh" in source(seed) and source(seed).count("x = ") > 2)
    text = fuzz.write_failure(seed, tmp_path).read_text()
    assert text.count("x = ") == 1 and "tanh" in text
    assert f"# torch2hw simulate fuzz{seed}.py --partition 1 " in text and "# tanh is wrong" in text


@pytest.mark.simulation
@pytest.mark.slow
def test_a_minute_of_models_finds_nothing(tmp_path: Path) -> None:
    verdicts = fuzz.fuzz(0, 199, 1, tmp_path, seconds=45)
    assert verdicts["failed"] == 0
    assert verdicts["passed"] > 0
