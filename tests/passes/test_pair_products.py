"""Products of codes that share an operand share a multiplier: which do, how many are left, the same bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import torch2hw
from tests.quantisation.models import Codes, Computed, Layer, Weights, compiled, outputs, two_layers
from torch2hw.compiler.compiled import Compiled
from torch2hw.dialects.loops import Constant, Operation
from torch2hw.passes.pair_products import in_order

UNSIGNED = Codes(1 / 60, 131, torch.uint8)


def units(design: Compiled) -> Counter[str]:
    """The units of products in all kernels, by name."""
    every = [s for kernel in design.at("scheduled").kernels for s in kernel.statements() if isinstance(s, Operation)]
    return Counter(s.callee or s.name for s in every if s.name in ("hwlib.product", "hwlib.paired_dot"))


def activations(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    left, right, out = Codes(1 / 40, 0), Codes(1 / 50, 0), Codes(1 / 12, 1)
    return out(left(a) @ right(b))


def layer(function: Callable[..., Any], x: Codes, *shape: int) -> Layer:
    return Layer(lambda a, w, b: function(a, w, b), Weights(*shape), x)


def depthwise(a: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return functional.conv2d(a, w, b, groups=4)


@pytest.mark.parametrize("name", ["linear", "unsigned", "activations"])
def test_the_bits_are_those_of_products_of_their_own(name: str) -> None:
    torch.manual_seed(0)
    model, *inputs = {
        "linear": lambda: (layer(functional.linear, Codes(1 / 32, -11), 16, 16), torch.randn(6, 16)),
        "unsigned": lambda: (layer(functional.linear, UNSIGNED, 16, 16), torch.randn(6, 16)),
        "activations": lambda: (Computed(activations), torch.randn(8, 16), torch.randn(16, 8)),
    }[name]()
    paired, plain = (compiled(model, *inputs, partition=4, paired_products=flag) for flag in (True, False))
    assert sum(units(plain).values()) == 16 and not any("paired" in unit for unit in units(plain))
    assert sum(count * int(unit.rpartition("_")[2]) for unit, count in units(paired).items()) == 8
    for got, wanted in zip(outputs(paired, *inputs), outputs(plain, *inputs), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_lanes_without_a_common_operand_keep_their_products() -> None:
    torch.manual_seed(0)
    design = compiled(layer(depthwise, UNSIGNED, 4, 1, 3, 3), torch.randn(1, 4, 6, 5), partition=2)
    assert not any("paired" in name for name in units(design))


def test_statements_come_after_their_operands() -> None:
    a, b, c = (
        Operation(name, "i8", "arith.addi", of, ("i8",) * 2) for name, of in (("a", "bc"), ("b", "cc"), ("c", "kk"))
    )
    k = Constant("k", "i8", 1)
    assert [s.result for s in in_order([a, k, b, c])] == ["k", "c", "b", "a"]


@pytest.mark.simulation
@pytest.mark.slow
def test_in_hardware() -> None:
    torch.manual_seed(1)
    x = torch.randn(5, 9)
    design = torch2hw.compile(two_layers(Weights(6, 9), Weights(4, 6)), (x,), partition=3)
    assert any("paired" in name for name in units(design.compiled))
    result = design.simulate(x)
    assert result.bit_exact and set(result.cycles) == {result.predicted_cycles}


def test_a_sum_without_a_partner_uses_the_units_that_are_there() -> None:
    """The lanes of the second layer all add to one output: no two of them share an operand."""
    torch.manual_seed(0)
    first, second, codes = Weights(16, 16), Weights(1, 48), Codes(1 / 30, 2)

    def both(x: torch.Tensor, z: torch.Tensor) -> Any:
        return codes(functional.linear(codes(x), first())), codes(functional.linear(codes(z), second()))

    model, inputs = Computed(both), (torch.randn(4, 16), torch.randn(1, 48))
    paired, plain = (compiled(model, *inputs, partition=4, paired_products=flag) for flag in (True, False))
    assert any("product" in name for name in units(plain)) and all("paired" in name for name in units(paired))
    for got, wanted in zip(outputs(paired, *inputs), outputs(plain, *inputs), strict=True):
        np.testing.assert_array_equal(got, wanted)
