"""Operations of a step, counted from shapes: a multiply-add is 2, only products count.

What is cheap and bound by memory (norms, activations, pooling, softmax, the update) counts
nothing, as is the custom for an MFU. A gradient of the input and one of the weight take as much
as the forward call each; the first layer's input takes none. Padded positions count: they are
computed. Counts of a whole model come as (first layer, rest).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Count = int

STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
_BOTTLENECKS = ("resnet50",)


def product(m: int, k: int, n: int) -> Count:
    """(m, k) times (k, n): 2 m k n."""
    return 2 * m * k * n


def linear(rows: int, inputs: int, outputs: int) -> Count:
    return product(rows, inputs, outputs)


def conv(
    n: int, inputs: int, outputs: int, kernel: int, size: int, stride: int = 1, padding: int = 0
) -> Count:
    """2 n out_h out_w outputs (inputs kernel^2), of square images of `size`."""
    return product(n * extent(size, kernel, stride, padding) ** 2, inputs * kernel**2, outputs)


def extent(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many places a window of `kernel` takes along `size`."""
    return (size + 2 * padding - kernel) // stride + 1


def lenet(n: int) -> tuple[Count, Count]:
    """d2l's LeNet on 28 x 28."""
    first = conv(n, 1, 6, 5, 28, padding=2)
    dense = linear(n, 400, 120) + linear(n, 120, 84) + linear(n, 84, 10)
    return first, conv(n, 6, 16, 5, 14) + dense


def resnet(name: str, n: int, size: int, classes: int) -> tuple[Count, Count]:
    """18, 34 (basic blocks) or 50 layers (bottlenecks, the stride in the 3x3)."""
    first = conv(n, 3, 64, 7, size, 2, 3)
    size = extent(extent(size, 7, 2, 3), 3, 2, 1)
    inputs, rest = 64, 0
    deep = name in _BOTTLENECKS
    for stage, blocks in enumerate(STAGES[name]):
        planes = 64 * 2**stage
        outputs = 4 * planes if deep else planes
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            after = extent(size, 3, stride, 1)
            if deep:
                rest += conv(n, inputs, planes, 1, size)
                rest += conv(n, planes, planes, 3, size, stride, 1)
                rest += conv(n, planes, outputs, 1, after)
            else:
                rest += conv(n, inputs, planes, 3, size, stride, 1)
                rest += conv(n, planes, planes, 3, after, 1, 1)
            if stride != 1 or inputs != outputs:
                rest += conv(n, inputs, outputs, 1, size, stride)
            inputs, size = outputs, after
    return first, rest + linear(n, inputs, classes)


def bert(n: int, s: int, config: Mapping[str, Any], labels: int = 2) -> Count:
    """layers (8 T e^2 + 4 T e f + 4 T s e) + pooler + classifier, T = n s tokens."""
    e, f = config["hidden_size"], config["intermediate_size"]
    rows = n * s
    projections = 4 * linear(rows, e, e)
    feed_forward = linear(rows, e, f) + linear(rows, f, e)
    attention = 2 * product(rows, s, e)
    layer = projections + feed_forward + attention
    return config["num_hidden_layers"] * layer + linear(n, e, e) + linear(n, e, labels)
