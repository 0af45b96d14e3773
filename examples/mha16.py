"""The paper's multi-head attention on a sequence of 16."""

import math

import torch
from torch import nn


class CausalAttention(nn.Module):
    """Multi-head self-attention with a causal mask: embedding 42, 2 heads of 21."""

    def __init__(self, length: int, embedding: int = 42, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(embedding, embedding)
        self.key = nn.Linear(embedding, embedding)
        self.value = nn.Linear(embedding, embedding)
        self.project = nn.Linear(embedding, embedding)
        self.register_buffer("mask", torch.triu(torch.full((length, length), -math.inf), diagonal=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = torch.softmax(scores + self.mask, dim=-1)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return self.project(mixed)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Batch × length × embedding → batch × heads × length × embedding of a head."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


torch.manual_seed(0)
model = CausalAttention(16)
example_inputs = (torch.randn(1, 16, 42),)
