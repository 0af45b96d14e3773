"""One linear layer of 1024 × 1024: 1.05 M parameters, one row of input."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(1024, 1024)
example_inputs = (torch.randn(1, 1024),)
