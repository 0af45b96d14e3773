"""What designs and units are tested with: any bits where they do no harm, ties, and every entry of a table."""

from __future__ import annotations

import numpy as np
import torch

import torch2hw
from torch2hw.sim.free_inputs import free_inputs
from torch2hw.sim.stimulus import input_sets, operands


class Places(torch.nn.Module):
    """`place` is an index by way of a buffer, `divisor` a divisor; `whole`, which is divided by a constant that does no
    harm, and `flag` are only computed with."""

    def forward(
        self, place: torch.Tensor, divisor: torch.Tensor, whole: torch.Tensor, flag: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        sums = place.cumsum(0)
        return torch.arange(10.0)[sums], 7 // divisor, torch.where(flag, whole // 3, whole % 5)


def test_inputs_that_are_no_places_are_free() -> None:
    whole = torch.tensor([1, 2, 3], dtype=torch.int32)
    arguments = (torch.tensor([1, 2]), whole, whole, torch.tensor([True, False, True]))
    compiled = torch2hw.compile(Places(), arguments).compiled
    free = free_inputs(compiled.reference)
    assert free == [False, False, True, True]
    example = [np.asarray(each) for each in arguments]
    sets = input_sets(compiled.reference.inputs, example, np.random.default_rng(1), free)
    assert all(set(arrays[0]) <= {1, 2} and set(arrays[1]) <= {1, 2, 3} for arrays in sets)
    assert len(np.unique([arrays[2] for arrays in sets[1:]])) > 3


def test_a_dividend_is_free_only_where_its_quotient_is_defined() -> None:
    class Quotients(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return x // -1, y // -2

    whole = torch.tensor([1, 2, 3], dtype=torch.int32)
    free = free_inputs(torch2hw.compile(Quotients(), (whole, whole)).compiled.reference)
    assert free[1]


def test_some_products_are_halfway_between_two_numbers() -> None:
    left, right = operands(("f32", "f32"), 2000, np.random.default_rng(1))
    with np.errstate(all="ignore"):
        product = left.astype(np.float64) * right.astype(np.float64)
    product = product[np.isfinite(product) & (abs(product) > 1e-37) & (abs(product) < 1e38)]
    assert sum(abs(np.frexp(product)[0] * 2**24) % 1 == 0.5) > 20


def test_functions_meet_every_eighth_of_every_power_of_two() -> None:
    (x,) = operands(("f32",), 12_000, np.random.default_rng(1))
    usual = x[np.isfinite(x) & (abs(x) >= 2.0**-12) & (abs(x) < 2.0**7)]
    assert len(set((usual.view(np.uint32) >> 20).tolist())) == 2 * 19 * 8
