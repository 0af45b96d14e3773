"""What operators of ONNX compute that PyTorch has no single operation for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import _disable_current_modes


def average_pool(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """Means of windows of `x`, (N, C, ...) in two or three dimensions; `padding` is what ONNX calls pads: as many rows
    as each dimension gets in front, then as many as it gets behind. Without `count_include_pad` they do not count."""
    count = len(kernel)
    sides = [each for pair in zip(padding[:count], padding[count:], strict=True) for each in pair]
    pads = [each for k in reversed(range(count)) for each in sides[2 * k : 2 * k + 2]]
    pool = functional.avg_pool2d if count == 2 else functional.avg_pool3d

    def sums(of: Tensor) -> Tensor:
        return pool(functional.pad(of, pads), list(kernel), list(strides), 0, ceil_mode, divisor_override=1)

    with _disable_current_modes():  # a constant, not a part of the graph
        elements = sums(torch.ones(1, 1, *map(int, x.shape[2:])))
        if count_include_pad:
            elements = torch.full_like(elements, math.prod(kernel))
    return sums(x) / elements


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """`x`, times `slope` where it is negative; the slope is broadcast as in a product."""
    return torch.where(x > 0, x, x * slope)


def resize(
    x: Tensor, size: Sequence[int] | None, scales: Sequence[float] | None, mode: str, align_corners: bool
) -> Tensor:
    """`x`, (N, C, ...), with as many elements in each further dimension as `size` says, or `scales` times as many.

    `mode` is torch-mlir's name for what ONNX calls mode, coordinate_transformation_mode and nearest_mode, as
    `nearest_half_pixel,ceil` or `bilinear_asymmetric`; left out are asymmetric of
    nearest, half_pixel of others, and floor.
    """
    kind, _, rounding = mode.partition(",")
    is_nearest, way = kind.startswith("nearest"), kind.partition("_")[2]
    way = "align_corners" if align_corners else way or ("asymmetric" if is_nearest else "half_pixel")
    for k, count in enumerate(map(int, x.shape[2:])):
        scale = np.float32(scales[k] if scales is not None else size[k] / count)  # type: ignore[index]
        wanted = size[k] if size is not None else int(count * scale)
        places = _places(count, wanted, scale, way)
        if is_nearest:
            x = _selected(x, 2 + k, ROUNDINGS[rounding or "floor"](places).astype(np.int64))
        elif wanted != count or (places != np.arange(count)).any():
            low = np.floor(places)
            share = (places - low).reshape(-1, *[1] * (x.dim() - 3 - k))
            first, second = (_selected(x, 2 + k, np.minimum(low + step, count - 1).astype(np.int64)) for step in (0, 1))
            x = first * _constant(1 - share).to(x.dtype) + second * _constant(share).to(x.dtype)
    return x


Places = npt.NDArray[Any]
ROUNDINGS: dict[str, Callable[[Places], Places]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda places: np.ceil(places - np.float32(0.5)),
    "round_prefer_ceil": lambda places: np.floor(places + np.float32(0.5)),
}


def _places(count: int, wanted: int, scale: np.float32, way: str) -> Places:
    """Where the wanted elements lie among the `count` there are; float32, as onnxruntime computes them."""
    numbers = np.arange(wanted, dtype=np.float32)
    half = np.float32(0.5)
    if way == "align_corners":
        places = numbers * np.float32(count - 1) / np.float32(max(wanted - 1, 1))
    elif way == "asymmetric":
        places = numbers / scale
    elif way == "pytorch_half_pixel" and wanted == 1:
        places = numbers
    else:
        places = (numbers + half) / scale - half
    inside: Places = np.clip(places, np.float32(0), np.float32(count - 1))
    return inside


def _selected(x: Tensor, dimension: int, index: Places) -> Tensor:
    """These elements of a dimension; repeated ones as copies."""
    times, rest = divmod(len(index), int(x.shape[dimension]))
    if rest == 0 and (index == np.arange(len(index)) // max(times, 1)).all():
        if times == 1:
            return x
        wide = x.unsqueeze(dimension + 1)
        return wide.expand(*wide.shape[: dimension + 1], times, *wide.shape[dimension + 2 :]).flatten(
            dimension, dimension + 1
        )
    return x.index_select(dimension, _constant(index))


def _constant(array: Places) -> Tensor:
    with _disable_current_modes():  # not a part of the graph
        return torch.from_numpy(np.ascontiguousarray(array))
