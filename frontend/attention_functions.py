"""Attention that divides once for each result, as PyTorch's own kernel for the CPU does, and not once for each weight.

`softmax(scores) @ values` is (e @ values) / Σ e with e = exp(scores - max scores). Weights are as many as the pairs of
positions, results only as many as the values: FlashAttention (Dao et al., 2022, section 3.1) divides these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """The attention of (…, L, E) to (…, S, E) with values (…, S, V) → (…, L, V). A position that the mask keeps from
    all others gets 0."""
    if dropout_p:
        return NotImplemented
    kind = query.dtype
    query, key, value = (each.to(torch.float32) for each in (query, key, value))
    if enable_gqa:
        key, value = (each.repeat_interleave(query.size(-3) // each.size(-3), -3) for each in (key, value))
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.size(-1)) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(query.size(-2), key.size(-2), dtype=torch.bool).tril()
    if attn_mask is not None:
        scores = masked(scores, attn_mask)
    largest = scores.amax(-1, keepdim=True)
    may_be_empty = attn_mask is not None and not is_causal  # a causal mask leaves each position itself
    if may_be_empty:
        largest = torch.where(largest == -math.inf, 0.0, largest)
    weights = torch.exp(scores - largest)
    total = weights.sum(-1, keepdim=True)  # before the product, whose kernel then divides what it makes
    if may_be_empty:
        total = torch.where(total == 0, 1.0, total)
    return ((weights @ value) / total).to(kind)


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    """The scores, -inf where a mask of booleans is false, or with a mask of numbers added."""
    return torch.where(mask, scores, -math.inf) if mask.dtype == torch.bool else scores + mask


ATTENTION: dict[Any, Callable[..., Any]] = {aten.scaled_dot_product_attention.default: attention}
