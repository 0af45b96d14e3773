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
from torch.nn import functional

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


def self_attention(
    x: Tensor,
    heads: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    mask: Tensor | None,
    mask_type: int | None,
) -> Tensor:
    """Of x, (N, L, E). Where a mask of booleans is true, positions are kept from others: (L, L) of type 0, (N, L) of
    type 1, (N, heads, L, L) of type 2. What is kept from all gets 0, where PyTorch's operation gives NaN."""
    count, length, _ = x.shape
    query, key, value = (
        part.reshape(count, length, heads, -1).transpose(1, 2)
        for part in functional.linear(x, qkv_weight, qkv_bias).chunk(3, -1)
    )
    if mask is not None:
        mask = ~(mask[:, None, None, :] if mask_type == 1 else mask)
    found: Tensor = attention(query, key, value, mask)
    return functional.linear(found.transpose(1, 2).flatten(2), proj_weight, proj_bias)


def encoder_layer(
    x: Tensor,
    size: int,
    heads: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Tensor,
    norm_bias_1: Tensor,
    norm_weight_2: Tensor,
    norm_bias_2: Tensor,
    ffn_weight_1: Tensor,
    ffn_bias_1: Tensor,
    ffn_weight_2: Tensor,
    ffn_bias_2: Tensor,
    mask: Tensor | None = None,
    mask_type: int | None = None,
) -> Any:
    """What PyTorch makes of a `TransformerEncoderLayer` in eval mode, without gradients, as one operation."""
    if x.dim() != 3 or (mask is not None and mask.dtype != torch.bool):
        return NotImplemented

    def first(x: Tensor) -> Tensor:
        return functional.layer_norm(x, [size], norm_weight_1, norm_bias_1, eps)

    def second(x: Tensor) -> Tensor:
        return functional.layer_norm(x, [size], norm_weight_2, norm_bias_2, eps)

    given = first(x) if norm_first else x
    x = x + self_attention(given, heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, mask_type)
    x = x if norm_first else first(x)
    inner = functional.linear(second(x) if norm_first else x, ffn_weight_1, ffn_bias_1)
    inner = functional.gelu(inner) if use_gelu else torch.relu(inner)
    x = x + functional.linear(inner, ffn_weight_2, ffn_bias_2)
    return x if norm_first else second(x)


ATTENTION: dict[Any, Callable[..., Any]] = {
    aten.scaled_dot_product_attention.default: attention,
    aten._transformer_encoder_layer_fwd.default: encoder_layer,
}
