"""Functions of one code are tables: which, with what contents, and in hardware."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import torch2hw
from tests.quantisation.models import Codes, Computed, Weights, compiled, operations, outputs
from torch2hw.passes import tabulate_codes

IN, OUT, UNSIGNED = Codes(1 / 24, 3), Codes(1 / 60, -7), Codes(1 / 50, 100, torch.uint8)
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,  # x and sigmoid(x) are two tensors in PyTorch's graph
}


EVERY = torch.arange(-128, 128).to(torch.int8)


@pytest.mark.parametrize("name", ["sigmoid", pytest.param("silu", marks=pytest.mark.slow)])
def test_the_codes_are_those_of_the_units(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = UNSIGNED if name == "silu" else OUT
    model = Computed(lambda q: out.quantise(FUNCTIONS[name](IN.numbers(q))))
    table = compiled(model, EVERY)
    assert operations(table) == {"arith.extui", "arith.index_cast"}
    monkeypatch.setattr(tabulate_codes, "MIN_LUTS", np.inf)
    units = compiled(model, EVERY)
    assert "arith.index_cast" not in operations(units)
    (got,), (wanted,) = outputs(table, EVERY), outputs(units, EVERY)
    np.testing.assert_array_equal(got, wanted)
    assert np.unique(got).size > 50


def test_what_depends_on_more_than_a_code_stays() -> None:
    scale = torch.rand(8) + 0.5
    codes = torch.randint(-128, 128, (4, 8)).to(torch.int8)
    model = Computed(lambda q: OUT.quantise(torch.sigmoid(IN.numbers(q) * scale)))
    assert "arith.index_cast" not in operations(compiled(model, codes))
    clamp = Computed(lambda q: IN.quantise(torch.relu(IN.numbers(q))))
    assert "arith.index_cast" not in operations(compiled(clamp, codes))


@pytest.mark.simulation
@pytest.mark.slow
def test_in_hardware() -> None:
    torch.manual_seed(0)
    weights = Weights(6, 9)

    def network(x: Tensor) -> Tensor:
        return OUT(torch.sigmoid(Codes(1 / 20, 4)(functional.linear(IN(x), weights()))))

    x = torch.randn(5, 9)
    design = torch2hw.compile(Computed(network), (x,), partition=2)
    assert "arith.index_cast" in operations(design.compiled) and "math.exp" not in operations(design.compiled)
    result = design.simulate(x)
    assert result.bit_exact and set(result.cycles) == {result.predicted_cycles}
