"""An attention block of 24,576 multiply-accumulates with a layer norm."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)

    def forward(self, x):
        y, _ = self.attention(x, x, x, need_weights=False)
        return self.norm(x + y)


torch.manual_seed(0)
model = Block().eval()
example_inputs = (torch.randn(1, 16, 16),)
