"""d2l's LeNet-5: two convolutions and three dense layers, sigmoids and average pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LeNet"]


class LeNet(nn.Module):
    """Images (n, c=1, h=28, w=28) to scores (n, num_classes).

    conv 5x5 (6, padding 2), sigmoid, average pool 2; conv 5x5 (16), sigmoid, average pool 2;
    dense 120, sigmoid; dense 84, sigmoid; dense num_classes. Source: Dive into Deep Learning,
    7.6; LeCun et al. 1998.
    """

    def __init__(self, num_classes: int = 10, activation: str = "sigmoid") -> None:
        super().__init__()
        self.activation = {"sigmoid": torch.sigmoid, "relu": torch.relu}[activation]
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.activation(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        x = torch.flatten(x, start_dim=1)
        x = self.activation(self.fc1(x))
        x = self.activation(self.fc2(x))
        return self.fc3(x)
