"""The paper's attention in small: two heads of 4, causal, a sequence of 8."""

import torch
from torch import nn

LENGTH, WIDTH, HEADS = 8, 8, 2


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.register_buffer("mask", torch.triu(torch.full((LENGTH, LENGTH), float("-inf")), 1))

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(LENGTH, HEADS, WIDTH // HEADS).transpose(0, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5 + self.mask
        mixed = torch.softmax(scores, -1) @ value
        result: torch.Tensor = self.out(mixed.transpose(0, 1).reshape(LENGTH, WIDTH))
        return result


model = Attention()
example_inputs = torch.randn(LENGTH, WIDTH)
