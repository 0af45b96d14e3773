"""Gradients of repetition, interpolation, rectifiers and convolutions: PyTorch's own."""

from __future__ import annotations

import pytest
import torch

from torch2hw.frontend import gradient_functions as ours

aten = torch.ops.aten


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-5)


def test_repetition() -> None:
    gradient = torch.randn(2, 3, 8, 9)
    given = (gradient, [8, 9], [2, 3, 4, 3], 2.0, 3.0)
    assert near(ours.upsample_nearest2d_backward(*given), aten.upsample_nearest2d_backward(*given))
    assert ours.upsample_nearest2d_backward(gradient, [8, 9], [2, 3, 3, 3]) is NotImplemented


@pytest.mark.parametrize("name", ["silu_backward", "mish_backward"])
def test_smooth_rectifiers(name: str) -> None:
    x = torch.cat([torch.randn(20), torch.tensor([0.0, -30.0, 30.0])])
    gradient = torch.randn_like(x)
    assert near(getattr(ours, name)(gradient, x), getattr(aten, name)(gradient, x))


@pytest.mark.parametrize("corners", [False, True])
def test_interpolation(corners: bool) -> None:
    given = (torch.randn(2, 3, 7, 9), [7, 9], [2, 3, 3, 4], corners, None, None)
    assert near(ours.upsample_bilinear2d_backward(*given), aten.upsample_bilinear2d_backward(*given))


def test_replicated_borders() -> None:
    given = (torch.randn(2, 3, 7, 9), torch.randn(2, 3, 5, 5), [3, 1, 0, 2])
    assert near(ours.replication_pad2d_backward(*given), aten.replication_pad2d_backward(*given))


def test_shrinking() -> None:
    x = torch.tensor([0.5, -0.5, 0.4, -2.0, 3.0])
    gradient = torch.randn_like(x)
    assert near(ours.shrink_backward(gradient, x, 0.5), aten.hardshrink_backward(gradient, x, 0.5))
    assert near(ours.shrink_backward(gradient, x, 0.5), aten.softshrink_backward(gradient, x, 0.5))


def test_transposed_convolutions() -> None:
    x, weight = torch.randn(2, 4, 6, 5), torch.randn(4, 3, 3, 2)
    form = ((3, 2), (1, 0), (1, 2), True, (2, 1), 1)
    gradient = torch.randn_like(aten.convolution(x, weight, None, *form))
    given = (gradient, x, weight, [3], *form, [True] * 3)
    for one, other in zip(ours.convolution_backward(*given), aten.convolution_backward(*given), strict=True):
        assert near(one, other)
    assert ours.convolution_backward(*given[:-1], [False, False, True])[:2] == (None, None)


@pytest.mark.parametrize("transposed", [False, True])
def test_grouped_convolutions(transposed: bool) -> None:
    x, weight = torch.randn(2, 4, 6, 5), torch.randn(4, 3, 3, 2) if transposed else torch.randn(6, 2, 3, 2)
    form = ((2, 1), (1, 0), (1, 1), transposed, (0, 0), 2)
    gradient = torch.randn_like(aten.convolution(x, weight, None, *form))
    given = (gradient, x, weight, [6], *form, [True] * 3)
    for one, other in zip(ours.convolution_backward(*given), aten.convolution_backward(*given), strict=True):
        assert near(one, other)
