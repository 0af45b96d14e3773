"""Gradients of pooling: PyTorch's own, for every form of windows."""

from __future__ import annotations

import pytest
import torch

from torch2hw.frontend.pooling_gradients import POOLING_GRADIENTS

aten = torch.ops.aten
WINDOWS = (
    ((2, 2), (2, 2), (0, 0), (1, 1)),
    ((3, 2), (2, 1), (1, 1), (1, 1)),
    ((3, 3), (1, 2), (1, 0), (1, 2)),
    ((2, 2), (3, 3), (0, 0), (1, 1)),
    ((3, 3), (2, 2), (0, 1), (1, 1)),
    ((2,), (), (0,), (1,)),
    ((3, 2, 2), (2, 1, 2), (1, 1, 0), (1, 2, 1)),
    ((2, 3, 2), (), (1, 0, 1), (1, 1, 1)),
)
FORMS = [(rank, windows) for rank in (2, 3) for windows in WINDOWS if len(windows[0]) in (1, rank)]
SIZES = {2: ((7, 5), (8, 6), (4, 9)), 3: ((7, 5, 4), (6, 3, 8))}


def check(operation: torch._ops.OpOverload, *given: object) -> None:
    one, other = POOLING_GRADIENTS[operation](*given), operation(*given)
    assert one.shape == other.shape and torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("rank", "windows"), FORMS)
@pytest.mark.parametrize("ceil", [False, True])
def test_windows(rank: int, windows: tuple[tuple[int, ...], ...], ceil: bool) -> None:
    torch.manual_seed(0)
    kernel, stride, padding, dilation = windows
    greatest, average = (
        getattr(aten, f"{name}{rank}d{more}") for name, more in (("max_pool", "_with_indices"), ("avg_pool", ""))
    )
    of_greatest = getattr(aten, f"max_pool{rank}d_with_indices_backward").default
    of_average = getattr(aten, f"avg_pool{rank}d_backward").default
    for sizes in SIZES[rank]:
        x = (torch.randn(2, 3, *sizes) * 3).round() / 3  # with equal elements
        values, places = greatest(x, kernel, stride, padding, dilation, ceil)
        check(of_greatest, torch.randn_like(values), x, kernel, stride, padding, dilation, ceil, places)
        for counts_padding, divisor in ((False, None), (True, None), (False, 5)) if set(dilation) == {1} else ():
            form = (kernel, stride, padding, ceil, counts_padding, divisor)
            check(of_average, torch.randn_like(average(x, *form)), x, *form)


@pytest.mark.parametrize("parts", [(1, 1), (2, 2), (3, 4), (4, 3), (1, 1, 1), (2, 3, 2), (3, 4, 3)])
def test_adaptive_pooling(parts: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    rank = len(parts)
    x = (torch.randn(2, 3, *(8, 6, 4)[:rank]) * 3).round() / 3
    values, places = getattr(aten, f"adaptive_max_pool{rank}d")(x, parts)
    gradient = torch.randn_like(values)
    check(getattr(aten, f"_adaptive_avg_pool{rank}d_backward").default, gradient, x)
    check(getattr(aten, f"adaptive_max_pool{rank}d_backward").default, gradient, x, places)
