"""The Python interface, and simulation by the command: bit-exact, as long as predicted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2hw
from torch2hw.cli import main
from torch2hw.sim.check import simulate_design

EXAMPLES = Path(__file__).parents[2] / "examples"


class Nested(nn.Module):
    """A bit of everything at the border."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, more: dict[str, torch.Tensor]) -> dict[str, object]:
        y = self.layer(x)
        return {"y": y, "same": [y, x], "count": more["n"] + 1, "constant": torch.ones(2), "none": None}


@pytest.mark.simulation
def test_compile_write_simulate_report(tmp_path: Path) -> None:
    torch.manual_seed(1)
    x, n = torch.randn(2, 4), torch.tensor([3, 4])
    design = torch2hw.compile(Nested(), (x, {"n": n}), top="nested")
    design.write(tmp_path / "nested.sv")
    assert json.loads((tmp_path / "nested.json").read_text()) == design.manifest
    result = design.simulate(x, {"n": n}, runs=2)
    assert result.bit_exact
    assert set(result.cycles) == {result.predicted_cycles} == {design.report(synthesis=False).cycles}
    outputs = result.outputs
    torch.testing.assert_close(outputs["y"], design.compiled.loaded.model(x, {"n": n})["y"])
    assert torch.equal(outputs["same"][1], x)
    assert torch.equal(outputs["count"], torch.tensor([4, 5]))
    assert torch.equal(outputs["constant"], torch.ones(2))
    assert outputs["none"] is None


def test_refusals_have_a_place_and_a_class() -> None:
    class Bad(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    with pytest.raises(torch2hw.Torch2HWError) as caught:
        torch2hw.compile(Bad(), torch.randn(3))
    assert caught.value.code == "unsupported-operation"
    assert caught.value.location == (__file__, Bad.forward.__code__.co_firstlineno + 1)
    with pytest.raises(torch2hw.UsageError):
        torch2hw.compile(nn.Linear(2, 2), torch.randn(1, 2), partition=0)


def test_options_that_do_not_exist_and_values_of_the_wrong_type() -> None:
    with pytest.raises(torch2hw.UsageError, match=r"error\[usage\]: foo: no such option"):
        torch2hw.compile(nn.Linear(2, 2), torch.randn(1, 2), foo=1)
    with pytest.raises(torch2hw.UsageError, match=r"share_units='no': not a truth value"):
        torch2hw.compile(nn.Linear(2, 2), torch.randn(1, 2), share_units="no")


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of PyTorch, in its own code
def test_a_model_of_torch_compile_is_the_model_it_was_made_from() -> None:
    assert torch2hw.compile(torch.compile(nn.Linear(2, 2)), torch.randn(1, 2)).compiled.top == "linear"


def test_inputs_of_another_shape_are_refused_by_simulate() -> None:
    design = torch2hw.compile(nn.ReLU(), torch.randn(1, 2))
    with pytest.raises(torch2hw.UsageError, match=r"input input_1 has shape \(1, 3\), the design takes \(1, 2\)"):
        design.simulate(torch.randn(1, 3))
    with pytest.raises(torch2hw.UsageError, match="2 inputs, the design takes 1"):
        design.simulate(torch.randn(1, 2), torch.randn(1, 2))
    with pytest.raises(torch2hw.UsageError, match="1,000,000,000 runs: more than"):
        simulate_design(design.compiled, (torch.randn(1, 2),), runs=10**9)


def test_products_with_a_vector_are_multiply_accumulates() -> None:
    class Products(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.mv(x, y), torch.dot(y, y)

    design = torch2hw.compile(Products(), (torch.randn(4, 6), torch.randn(6)))
    assert design.manifest["macs"] == 4 * 6 + 6


@pytest.mark.simulation
@pytest.mark.parametrize("schedule", ["static", "sequential"])
def test_the_command_simulates(schedule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(EXAMPLES / "ffnn_batch1.py"), "--schedule", schedule, "--json", "--runs", "2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bit_exact"]
    assert result["first_mismatch"] is None
    assert result["predicted_cycles"] == result["cycles"]
    assert result["torch_float64"]["hw_max_abs_err"] < 10 * result["torch_float64"]["torch_max_abs_err"]


@pytest.mark.simulation
def test_a_wrong_result_has_a_status_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch2hw.sim import check

    right = check.references

    def wrong(*arguments: object) -> object:
        answers = right(*arguments)  # type: ignore[arg-type]
        answers[0][0][0, 2] += 1
        return answers

    monkeypatch.setattr(check, "references", wrong)
    assert main(["simulate", str(EXAMPLES / "ffnn_batch1.py"), "-q"]) == 3
    assert capsys.readouterr().err.startswith(
        "error[check-failed]: the simulation differs from its reference: out[0, 2] is"
    )
