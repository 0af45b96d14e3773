"""PyTorch's own answer, in the model's dtype and in float64."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils._pytree import tree_flatten, tree_map

from torch2hw.frontend.quiet import copied, kept_apart


def run(model: torch.nn.Module, inputs: Sequence[object]) -> list[torch.Tensor]:
    """The output tensors in the order in which they are returned, nested ones flattened; `inputs` stay as they are."""
    with torch.no_grad(), kept_apart():
        leaves, _ = tree_flatten(model(*tree_map(_copied, tuple(inputs))))
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def accepts(model: torch.nn.Module, inputs: Sequence[object]) -> bool:
    """Whether the model runs on `inputs`: special values may lead it to places that are none."""
    try:
        run(model, inputs)
    except Exception:  # noqa: BLE001 - whatever the user's code raises
        return False
    return True


def run_float64(model: torch.nn.Module, inputs: Sequence[object]) -> list[torch.Tensor] | None:
    """The same with parameters, buffers and floating inputs in float64; None where the model fixes a dtype inside."""
    try:
        return run(copied(model).double(), tree_map(_widened, tuple(inputs)))
    except (RuntimeError, AssertionError):  # quantised operations assert that they get float32
        return None


def _copied(leaf: object) -> object:
    return leaf.clone() if isinstance(leaf, torch.Tensor) else leaf


def _widened(leaf: object) -> object:
    return leaf.double() if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf
