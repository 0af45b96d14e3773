"""An attention block of 24,576 multiply-accumulates with a layer norm."""

import torch
from torch import nn


class Block(nn.Module):
    """Self-attention and a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.attention(x, x, x, need_weights=False)
        out: torch.Tensor = self.norm(x + y)
        return out


torch.manual_seed(0)
model = Block().eval()
example_inputs = (torch.randn(1, 16, 16),)
