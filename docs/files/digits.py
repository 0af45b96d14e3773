import torch
from torch import nn


class Digits(nn.Module):
    """Classifies 8×8 images: a convolution, pooling, two linear layers."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(1, 4, 3)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(36, 16)
        self.classes = nn.Linear(16, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.features(x)))
        x = torch.relu(self.hidden(x.flatten(1)))
        return self.classes(x)


model = Digits()  # load your weights here: model.load_state_dict(torch.load("digits.pt"))
example_inputs = torch.rand(1, 1, 8, 8)
