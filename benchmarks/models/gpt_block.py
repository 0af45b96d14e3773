"""A block of a GPT: width 128, 4 heads, 64 tokens, causal; 0.2 M parameters."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

TOKENS, WIDTH, HEADS = 64, 128, 4


class CausalAttention(nn.Module):
    """Multi-head self-attention; queries, keys and values come from one linear layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.attend = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.register_buffer("mask", torch.triu(torch.full((TOKENS, TOKENS), -math.inf), diagonal=1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.attend(x).chunk(3, -1)
        )
        scores = query @ key.transpose(-2, -1) / math.sqrt(self.head_width)
        mixed = torch.softmax(scores + self.mask, dim=-1) @ value
        result: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return result


class Block(nn.Module):
    """Attention and a perceptron four times as wide, each behind a layer normalisation and beside an identity."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        hidden = functional.gelu(self.widen(self.norm2(x)), approximate="tanh")
        result: Tensor = x + self.narrow(hidden)
        return result


torch.manual_seed(0)
model = Block(WIDTH, HEADS)
example_inputs = (torch.randn(1, TOKENS, WIDTH),)
