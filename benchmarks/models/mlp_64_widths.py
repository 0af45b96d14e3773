"""A deep multi-layer perceptron of which no layer is like another: 64 linear layers of 32 to 88 features, a ReLU after
each; 64 rows of input."""

from itertools import pairwise

import torch
from torch import nn

torch.manual_seed(0)
widths = [32 + 8 * int(0.6180339887 * layer % 1 * 8) for layer in range(65)]
model = nn.Sequential(*(layer for inner, outer in pairwise(widths) for layer in (nn.Linear(inner, outer), nn.ReLU())))
example_inputs = (torch.randn(64, widths[0]),)
