"""The paper's feed-forward network, batch 1."""

import torch
from ffnn import FeedForward

torch.manual_seed(0)
model = FeedForward()
example_inputs = (torch.randn(1, 64),)
