"""A transformer encoder layer: 16 tokens of 32, 4 heads, 64 hidden units."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.TransformerEncoderLayer(32, 4, dim_feedforward=64, batch_first=True)
example_inputs = (torch.randn(1, 16, 32),)
