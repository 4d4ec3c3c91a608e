"""Residual networks. Attribute names are torchvision's: its state dicts load strictly.

Sources: He et al. 2015, https://arxiv.org/abs/1512.03385 (18 to 152 layers); width and groups
as in Xie et al. 2017, https://arxiv.org/abs/1611.05431; `zero_init_residual` as in Goyal et
al. 2017, https://arxiv.org/abs/1706.02677. As in torchvision, a Bottleneck takes its stride in
the 3x3 convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

__all__ = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "BasicBlock",
    "Bottleneck",
    "ResNet",
]

NormLayer = Callable[[int], nn.Module]


def resnet18(num_classes: int = 1000, **options: Any) -> ResNet:
    """18 layers, 11,689,512 parameters; `options` are those of `ResNet`, as in all of these."""
    return ResNet(BasicBlock, [2, 2, 2, 2], num_classes, **options)


def resnet34(num_classes: int = 1000, **options: Any) -> ResNet:
    """34 layers, 21,797,672 parameters."""
    return ResNet(BasicBlock, [3, 4, 6, 3], num_classes, **options)


def resnet50(num_classes: int = 1000, **options: Any) -> ResNet:
    """50 layers, 25,557,032 parameters."""
    return ResNet(Bottleneck, [3, 4, 6, 3], num_classes, **options)


def resnet101(num_classes: int = 1000, **options: Any) -> ResNet:
    """101 layers, 44,549,160 parameters."""
    return ResNet(Bottleneck, [3, 4, 23, 3], num_classes, **options)


def resnet152(num_classes: int = 1000, **options: Any) -> ResNet:
    """152 layers, 60,192,808 parameters."""
    return ResNet(Bottleneck, [3, 8, 36, 3], num_classes, **options)


def _conv(
    in_planes: int,
    out_planes: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> nn.Conv2d:
    """Keeps the size at stride 1; without bias, since a normalisation follows."""
    padding = dilation * (kernel_size // 2)
    return nn.Conv2d(
        in_planes, out_planes, kernel_size, stride, padding, dilation, groups, bias=False
    )


class _Block(nn.Module):
    """relu(branch(x) + x), where `downsample`, if there is one, makes x fit the branch."""

    expansion: ClassVar[int]
    last_norm: ClassVar[str]
    relu: nn.ReLU
    downsample: nn.Module | None

    def branch(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.branch(x) + shortcut)


class BasicBlock(_Block):
    """Two 3x3 convolutions: (n, inplanes, h, w) to (n, planes, h / stride, w / stride).

    It has no groups, width or dilation: ValueError, for the last NotImplementedError.
    """

    expansion = 1
    last_norm = "bn2"

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError(
                "BasicBlock takes groups=1 and base_width=64 only, "
                f"got groups={groups} and base_width={base_width}"
            )
        if dilation > 1:
            raise NotImplementedError(f"BasicBlock takes dilation=1 only, got {dilation}")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = _conv(inplanes, planes, 3, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(planes, planes, 3)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def branch(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))


class Bottleneck(_Block):
    """Convolutions 1x1, 3x3, 1x1: (n, inplanes, h, w) to (n, 4 planes, h / stride, w / stride).

    The 3x3 one has planes * base_width / 64 * groups channels, and the stride and dilation.
    """

    expansion = 4
    last_norm = "bn3"

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64)) * groups
        self.conv1 = _conv(inplanes, width, 1)
        self.bn1 = norm(width)
        self.conv2 = _conv(width, width, 3, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = _conv(width, planes * self.expansion, 1)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def branch(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


class ResNet(nn.Module):
    """Images (n, c=3, h, w) to scores (n, num_classes).

    A 7x7 convolution and a maximum pool, four stages of `layers[i]` blocks, the mean over h and
    w, one dense layer. Each stage halves h and w but the first, or dilates instead where
    `replace_stride_with_dilation` (one bool for each of the last three) says so. With
    `zero_init_residual` the last normalisation of each block starts at weight 0, the block
    at relu(x). `norm_layer` makes a normalisation of so many channels (default BatchNorm2d).

    Convolutions start at N(0, 2 / (out * kernel_height * kernel_width)). Raises ValueError
    where `layers` are not 4 positive ints or `replace_stride_with_dilation` has not 3 elements,
    and what `block` raises.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        if len(layers) != 4 or min(layers) < 1:
            raise ValueError(f"layers must be 4 positive ints, got {layers}")
        dilate = replace_stride_with_dilation or (False, False, False)
        if len(dilate) != 3:
            raise ValueError(
                f"replace_stride_with_dilation must be None or 3 bools, got {dilate}"
            )
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.norm_layer = norm_layer or nn.BatchNorm2d

        self.conv1 = _conv(3, 64, 7, stride=2)
        self.bn1 = self.norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._stage(block, 64, layers[0])
        self.layer2 = self._stage(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._stage(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._stage(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._start(zero_init_residual)

    def _stage(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        """`blocks` blocks, of which the first alone strides and meets another width."""
        first_dilation, out_planes = self.dilation, planes * block.expansion
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        downsample = None
        if stride != 1 or self.inplanes != out_planes:
            downsample = nn.Sequential(
                _conv(self.inplanes, out_planes, 1, stride), self.norm_layer(out_planes)
            )
        make = partial(
            block, groups=self.groups, base_width=self.base_width, norm_layer=self.norm_layer
        )
        first = make(self.inplanes, planes, stride, downsample, dilation=first_dilation)
        rest = [make(out_planes, planes, dilation=self.dilation) for _ in range(blocks - 1)]
        self.inplanes = out_planes
        return nn.Sequential(first, *rest)

    def _start(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, _Block) and zero_init_residual:
                last = getattr(module, module.last_norm)
                if last.weight is not None:
                    nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = torch.flatten(self.avgpool(x), start_dim=1)
        return self.fc(x)
