"""The paper's CNN in small: convolution, ReLU, maximum pooling over 2 × 3, a linear layer."""

import torch
from torch import nn

model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d((2, 3)), nn.Flatten(), nn.Linear(4 * 3 * 4, 2))
example_inputs = torch.randn(1, 2, 8, 14)
