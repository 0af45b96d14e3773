"""Optimizers of a training step: how `--optimizer` names them, what they keep, and one update of a parameter.

An update is PyTorch code that changes nothing in place: what a parameter and the optimizer's own state become.
Formulas and defaults are those of torch.optim (https://docs.pytorch.org/docs/stable/optim.html); Adam's bias
corrections 1 - beta^t are -expm1(t · ln beta), whose relative error in float32 does not grow with t.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FORMS = "sgd[:lr[,momentum]] or adam[:lr[,beta1,beta2[,eps]]]"


class Optimizer(ABC):
    """`shared_names` are scalars that all parameters share, `names` tensors that each parameter has. All start at 0."""

    shared_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @abstractmethod
    def of_torch(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """PyTorch's own."""

    def begun(self, shared: Sequence[Tensor]) -> list[Tensor]:
        """The shared scalars in this step, computed from those of the step before."""
        return []

    @abstractmethod
    def update(
        self, parameter: Tensor, gradient: Tensor, own: Sequence[Tensor], shared: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The new parameter, and the new tensors of `names`; `shared` as `begun` gives them."""


@dataclass(frozen=True)
class Sgd(Optimizer):
    """torch.optim.SGD without weight decay, dampening and Nesterov's form."""

    lr: float = 1e-3
    momentum: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """A momentum buffer, if there is momentum."""
        return ("momentum_buffer",) if self.momentum else ()

    def of_torch(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """PyTorch's own."""
        import torch

        return torch.optim.SGD(list(parameters), lr=self.lr, momentum=self.momentum)

    def update(
        self, parameter: Tensor, gradient: Tensor, own: Sequence[Tensor], shared: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """buffer = momentum · buffer + gradient; parameter - lr · buffer."""
        if not self.momentum:
            return parameter - gradient * self.lr, []
        held = own[0] * self.momentum + gradient
        return parameter - held * self.lr, [held]


@dataclass(frozen=True)
class Adam(Optimizer):
    """torch.optim.Adam without weight decay and AMSGrad."""

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    shared_names = ("step",)
    names = ("exp_avg", "exp_avg_sq")

    def of_torch(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """PyTorch's own."""
        import torch

        return torch.optim.Adam(list(parameters), lr=self.lr, betas=(self.beta1, self.beta2), eps=self.eps)

    def begun(self, shared: Sequence[Tensor]) -> list[Tensor]:
        """The number of this step."""
        return [shared[0] + 1.0]

    def update(
        self, parameter: Tensor, gradient: Tensor, own: Sequence[Tensor], shared: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """mean += (1 - beta1)(gradient - mean), square = beta2 · square + (1 - beta2) gradient², and
        parameter - (lr / c1) · mean / (√square / √c2 + eps), where c = 1 - beta^step."""
        mean = own[0] + (gradient - own[0]) * (1 - self.beta1)
        square = own[1] * self.beta2 + gradient * gradient * (1 - self.beta2)
        size = self.lr / _correction(shared[0], self.beta1)
        root = square.sqrt() * _correction(shared[0], self.beta2).rsqrt() + self.eps
        return parameter - (mean * size) / root, [mean, square]


def _correction(step: Tensor, beta: float) -> Tensor:
    import torch

    return -torch.expm1(step * math.log(beta)) if beta else torch.ones_like(step)


def optimizer_named(text: str) -> Optimizer:
    """The optimizer that `--optimizer` means. Raises UsageError."""
    name, colon, rest = text.partition(":")
    given = [_number(text, part) for part in rest.split(",")] if colon else []
    if name == "sgd" and len(given) <= 2:
        sgd = Sgd(*given)
        _check(text, sgd.lr >= 0 and sgd.momentum >= 0, "the learning rate and the momentum are at least 0")
        return sgd
    if name == "adam" and len(given) in (0, 1, 3, 4):
        adam = Adam(*given)
        betas = 0 <= adam.beta1 < 1 and 0 <= adam.beta2 < 1
        _check(text, adam.lr >= 0 and adam.eps >= 0, "the learning rate and eps are at least 0")
        _check(text, betas, "beta1 and beta2 are at least 0 and less than 1")
        return adam
    known = "numbers do not fit" if name in ("sgd", "adam") else "unknown"
    raise UsageError(f"--optimizer {text}: {known}", fix=f"use {FORMS}")


def _number(text: str, part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        raise UsageError(f"--optimizer {text}: `{part}` is no number", fix=f"use {FORMS}") from None
    _check(text, math.isfinite(value), "its numbers are finite")
    return value


def _check(text: str, holds: bool, why: str) -> None:
    if not holds:
        raise UsageError(f"--optimizer {text}: out of range", why=why, fix=f"use {FORMS}")
