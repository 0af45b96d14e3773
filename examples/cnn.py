"""The paper's convolutional network: one 3-channel image of 80×60."""

import torch
from torch import nn


class Cnn(nn.Module):
    """One convolution, max pooling, one linear layer to two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d((2, 3))
        self.flatten = nn.Flatten()
        self.classify = nn.Linear(5472, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.pool(self.relu(self.conv(image)))
        return self.classify(self.flatten(features))


torch.manual_seed(0)
model = Cnn()
example_inputs = (torch.randn(1, 3, 80, 60),)
