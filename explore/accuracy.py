"""How far a design's results are from the model that the user wrote, before any quantisation or change of format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import torch

from torch2hw.frontend.load_model import LoadedModel
from torch2hw.frontend.signature import Structure
from torch2hw.sim import pytorch


def output_error(loaded: LoadedModel, ports: Sequence[Mapping[str, Any]], outputs: Any) -> dict[str, float]:
    """{"output_error": …}: the root of the mean squared difference of all elements of floating outputs from the model
    in float64, over the root of their mean square; three digits. Nothing where a model has no floating output, or does
    not run in float64. `ports` are the manifest's outputs: codes stand for (code - zero point) · scale."""
    _, found = Structure.of(outputs)
    _, tensors = Structure.of(loaded.example_inputs)
    exact = pytorch.run_float64(loaded.model, tensors)
    if exact is None or len(exact) != len(found):
        return {}
    apart = size = 0.0
    for port, ours, theirs in zip(ports, found, exact, strict=True):
        if theirs.is_floating_point() and ours.shape == theirs.shape:
            apart += float((_values(port, ours) - theirs).square().sum())
            size += float(theirs.square().sum())
    return {"output_error": float(f"{sqrt(apart / size):.3g}")} if size else {}


def _values(port: Mapping[str, Any], tensor: torch.Tensor) -> torch.Tensor:
    values: torch.Tensor = (tensor.double() - port.get("zero_point", 0)) * port.get("scale", 1.0)
    return values
