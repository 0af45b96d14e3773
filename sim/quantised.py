"""How far the outputs of a quantised model may be from PyTorch's, in steps of their codes.

The compiler computes with integers what PyTorch computes in floats between a dequantise and a quantise, and declares
that the number that becomes a code is at most `MAX_ERROR` steps from PyTorch's before it is rounded
(`passes/requantise_sums`). So a code is at most one step off. What follows from that in the layers behind, PyTorch
itself tells: it runs the model again, with that number moved at random wherever a tensor is quantised.

An output that is codes, or numbers that codes stand for, may be as far from PyTorch's as the farthest of these runs,
and one step in any case. Other outputs of such a model are measured by the same runs, as `explained` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torch2hw.analysis.requantisation import MAX_ERROR
from torch2hw.analysis.stored_arrays import Array, to_float64
from torch2hw.dialects.number_types import number_type
from torch2hw.sim import pytorch

QUANTISE, DEQUANTISE = "quantized_decomposed.quantize_per_", "quantized_decomposed.dequantize_per_"


@dataclass(frozen=True)
class Steps:
    """How many of an output's elements are other codes than PyTorch's, of how many, and by how many steps at most."""

    different: int
    of: int
    most: int


class StepSizes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the step of every tensor of codes, or of numbers that codes stand for; views share it. `codes` says whether
    anything was quantised at all."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: dict[int, float] = {}
        self.kept: list[torch.Tensor] = []  # so that no storage is another tensor's later
        self.codes = False

    def __torch_dispatch__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func)
        if name.startswith((QUANTISE, DEQUANTISE)):
            self.codes = True
            size = 1.0 if name.startswith(QUANTISE) else float(torch.as_tensor(args[1]).max())
            self.steps[result.untyped_storage().data_ptr()] = size
            self.kept.append(result)
        return result

    def of(self, tensor: torch.Tensor) -> float | None:
        """The step of a tensor; None where it is not made of codes alone."""
        return self.steps.get(tensor.untyped_storage().data_ptr())


def moved_code(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], generator: torch.Generator) -> Any:
    """What a quantise gives when what it rounds is moved, at random; None of another operation."""
    if not str(func).startswith(QUANTISE):
        return None
    x, scale, *others = args
    size = scale
    if isinstance(scale, torch.Tensor) and scale.numel() > 1:
        size = scale.view([-1 if d == others[1] % x.dim() else 1 for d in range(x.dim())])
    noise = torch.empty(x.shape, dtype=x.dtype).uniform_(-MAX_ERROR, MAX_ERROR, generator=generator)
    return func(x + noise * size, scale, *others, **kwargs)


def steps_apart(hardware: Array, expected: Array, dtype: str, step: float) -> Steps:
    """The distance of two tensors in steps of this size."""
    distance = np.abs(to_float64(hardware, dtype) - to_float64(expected, dtype)) / step
    counted = np.round(distance).astype(np.int64)
    return Steps(int((counted > 0).sum()), int(counted.size), int(counted.max(initial=0)))


def too_far(
    hardware: Array, expected: Array, others: Sequence[Array], dtype: str, step: float
) -> npt.NDArray[np.bool_]:
    """Where an output is further away than the runs in `others`, and than a step."""
    allowed = max((steps_apart(other, expected, dtype, step).most for other in others), default=0)
    distance = np.abs(to_float64(hardware, dtype) - to_float64(expected, dtype))
    slack = 2.0**-10 if number_type(dtype).is_float else 0.0
    far: npt.NDArray[np.bool_] = distance > (max(allowed, 1) + slack) * step
    return far


def output_steps(model: torch.nn.Module, inputs: Sequence[object]) -> list[float | None] | None:
    """The step of each output, None of one that is not made of codes alone; None if the model has no codes."""
    with StepSizes() as sizes:
        outputs = pytorch.run(model, inputs)
    return [sizes.of(tensor) for tensor in outputs] if sizes.codes else None


def total(steps: Sequence[Steps]) -> Steps | None:
    """Of all outputs of all runs; None where there are none."""
    if not steps:
        return None
    return Steps(sum(s.different for s in steps), sum(s.of for s in steps), max(s.most for s in steps))
