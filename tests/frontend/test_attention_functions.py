"""Attention as it is computed here against PyTorch's, every argument of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from torch2hw.frontend.attention_functions import attention, encoder_layer

MASK = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
ARGUMENTS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 5), (2, 4, 5), {}),
    "a matrix": ((3, 5), (4, 5), {"scale": 0.3}),
    "causal": ((1, 2, 4, 3), (1, 2, 4, 3), {"is_causal": True}),
    "causal, more queries": ((5, 3), (2, 3), {"is_causal": True}),
    "causal, more keys": ((2, 3), (5, 3), {"is_causal": True}),
    "booleans, none of a row": ((2, 3, 5), (2, 4, 5), {"attn_mask": MASK}),
    "numbers, -inf in all of a row": ((3, 5), (4, 5), {"attn_mask": torch.randn(3, 4).masked_fill(~MASK, -torch.inf)}),
    "groups of queries": ((1, 6, 3, 5), (1, 2, 4, 5), {"enable_gqa": True}),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_pytorch_agrees(name: str, dtype: torch.dtype) -> None:
    first, second, named = ARGUMENTS[name]
    torch.manual_seed(0)
    query, key, value = (torch.randn(shape).to(dtype) for shape in (first, second, second))
    named = {k: v.to(dtype) if isinstance(v, torch.Tensor) and v.is_floating_point() else v for k, v in named.items()}
    exact = {k: v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for k, v in named.items()}
    expected = scaled_dot_product_attention(query.float(), key.float(), value.float(), **exact).to(dtype)
    got = attention(query, key, value, **named)
    assert got.dtype == dtype
    torch.testing.assert_close(got, expected)


def test_dropout_is_left_alone() -> None:
    x = torch.randn(3, 4)
    assert attention(x, x, x, dropout_p=0.5) is NotImplemented


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("mask_type", [None, 0, 1, 2])
def test_an_encoder_layer_as_one_operation(gelu: bool, first: bool, mask_type: int | None) -> None:
    torch.manual_seed(0)
    shapes = ((12, 4), (12,), (4, 4), (4,)), ((4,), (4,), (4,), (4,), (6, 4), (6,), (4, 6), (4,))
    projections, others = ([torch.randn(shape) for shape in each] for each in shapes)
    mask = None if mask_type is None else torch.rand(((3, 3), (2, 3), (2, 2, 3, 3))[mask_type]) > 0.5
    if mask is not None:
        mask[..., 1] = False
    given = (torch.randn(2, 3, 4), 4, 2, *projections, gelu, first, 1e-5, *others, mask, mask_type)
    expected = torch.ops.aten._transformer_encoder_layer_fwd(*given)
    torch.testing.assert_close(encoder_layer(*given), expected, atol=1e-5, rtol=1e-5)
