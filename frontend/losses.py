"""Losses of a training step, means over the batch: how `--loss` names them, and the targets that they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch2hw.frontend.refusals import UntrainableModel
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[str, int]


@dataclass(frozen=True)
class Loss:
    """`value(output, target)` is what the design computes, `of_torch` PyTorch's own. `shape` is the target's, given the
    output's; the target holds classes or, where `classes` is False, floats."""

    name: str
    value: Callable[[Tensor, Tensor], Tensor]
    of_torch: Callable[[Tensor, Tensor], Tensor]
    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    classes: bool

    def target(self, output: Tensor, place: Place) -> Tensor:
        """Zeros like a target for that output. Refuses an output that the loss does not take, at `place`."""
        import torch

        if not output.is_floating_point():
            raise UntrainableModel(
                f"the model's output is {output.dtype}, of which there is no gradient",
                location=place,
                fix="return floats",
            )
        if self.classes and (output.dim() < 2 or output.shape[1] < 2):
            raise UntrainableModel(
                f"--loss {self.name}: the model's output has shape {tuple(output.shape)}",
                location=place,
                why="a batch of scores is wanted, of shape (batch, classes, …), for two classes or more",
                fix="return scores for each class, or use --loss mse",
            )
        dtype = torch.int64 if self.classes else output.dtype
        return torch.zeros(self.shape(tuple(output.shape)), dtype=dtype)


def _mse(output: Tensor, target: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.mse_loss(output, target)


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """The mean of -log softmax(output) at the classes. Each class is compared with the target: the gradient of a
    lookup would be a scatter."""
    import torch

    scores = output.log_softmax(1)
    classes = torch.arange(output.shape[1]).reshape(-1, *(1,) * (output.dim() - 2))
    wanted = torch.where(target.unsqueeze(1) == classes, scores, 0.0)
    return -wanted.sum() / target.numel()


def _torch_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.cross_entropy(output, target)


LOSSES = {
    "mse": Loss("mse", _mse, _mse, lambda shape: shape, False),
    "cross_entropy": Loss(
        "cross_entropy", _cross_entropy, _torch_cross_entropy, lambda shape: (shape[0], *shape[2:]), True
    ),
}


def loss_named(name: str) -> Loss:
    """The loss that `--loss` means. Raises UsageError."""
    if name not in LOSSES:
        raise UsageError(f"--loss {name}: unknown", fix=f"use {' or '.join(LOSSES)}")
    return LOSSES[name]
