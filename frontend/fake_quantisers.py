"""Layers that `prepare_qat` puts in for quantisation-aware training: they round to codes, in floats.

With its observer on, such a layer follows the range of what it sees, also in eval mode, which is state. With it off
(`disable_observer`) it is a function: `frozen` computes it with the scales that it has, because PyTorch's fused layer
is an operation that may change its buffers, whatever its switches say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from torch2hw.frontend.refusals import StatefulModel


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in model.named_modules():
        if isinstance(vars(module).get("_buffers", {}).get("observer_enabled"), torch.Tensor):
            yield path, module


def observing(model: nn.Module, place: tuple[str, int]) -> StatefulModel | None:
    """The refusal of a model whose observers are on; None where there are none."""
    found = [(path, module) for path, module in _layers(model) if int(module.observer_enabled[0])]
    if not found:
        return None
    path, module = found[0]
    own = type(module).__module__.startswith("torch.")
    package = "torch.ao.quantization" if own else "torchao.quantization.pt2e"
    return StatefulModel(
        f"the observer of {path} is on: it follows the range of what the layer sees ({len(found)} in the model)",
        location=place,
        why="a design keeps nothing from one run to the next",
        fix=f"switch the observers off when the ranges are learnt: model.apply({package}.disable_observer)",
    )


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Meanwhile layers whose observers are off are plain functions of the scales that they have."""
    layers = [module for _, module in _layers(model) if not int(module.observer_enabled[0])]
    for layer in layers:
        layer.forward = _plain(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _plain(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    on, low, high = bool(layer.fake_quant_enabled[0]), int(layer.quant_min), int(layer.quant_max)
    scales, points = [float(each) for each in layer.scale], [int(each) for each in layer.zero_point]

    def plain(x: torch.Tensor) -> torch.Tensor:
        if not on:
            return x
        if len(scales) == 1:
            return torch.fake_quantize_per_tensor_affine(x, scales[0], points[0], low, high)
        return torch.fake_quantize_per_channel_affine(
            x, torch.tensor(scales), torch.tensor(points, dtype=torch.int32), int(layer.ch_axis), low, high
        )

    return plain
