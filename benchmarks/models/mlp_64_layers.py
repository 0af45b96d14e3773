"""A deep multi-layer perceptron: 64 linear layers of 64 × 64, a ReLU after each; 16 rows of input."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(*(layer for _ in range(64) for layer in (nn.Linear(64, 64), nn.ReLU())))
example_inputs = (torch.randn(16, 64),)
