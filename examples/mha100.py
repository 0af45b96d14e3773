"""The paper's multi-head attention on a sequence of 100."""

import torch
from mha16 import CausalAttention

torch.manual_seed(0)
model = CausalAttention(100)
example_inputs = (torch.randn(1, 100, 42),)
